package cluster

import (
	"testing"

	"github.com/gruntwork-io/terratest/modules/k8s"
	"github.com/gruntwork-io/terratest/modules/logger"
	"github.com/gruntwork-io/terratest/modules/shell"
	"github.com/stretchr/testify/require"
)

// Kubectl runs a kubectl command in the namespace and returns what it printed.
func (n *Namespace) Kubectl(t *testing.T, args ...string) (string, error) {
	t.Helper()
	return k8s.RunKubectlAndGetOutputContextE(t, t.Context(), n.Options(), args...)
}

// MustKubectl is Kubectl for a command that has to succeed.
func (n *Namespace) MustKubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := n.Kubectl(t, args...)
	require.NoError(t, err, out)
	return out
}

// Output is what a command in a pod printed, and its exit code.
type Output struct {
	Stdout, Stderr string
	Code           int
}

// Exec runs a command in a pod, or in a pod of deployment/NAME. If kubectl does not get
// that far, the exit code is 1 and Stderr says why.
func (n *Namespace) Exec(t *testing.T, pod string, command ...string) (Output, error) {
	t.Helper()
	stdout, stderr, failed := shell.RunCommandContextAndGetStdOutErrE(t, t.Context(), &shell.Command{
		Command: "kubectl",
		Args:    append([]string{"--context", n.cluster.context, "--namespace", n.Name, "exec", pod, "--"}, command...),
		Logger:  logger.Discard,
	})
	code, err := shell.GetExitCodeForRunCommandError(failed)
	if err == nil && code == 0 {
		err = failed // kubectl was not even started
	}
	return Output{stdout, stderr, code}, err
}

// Apply creates or changes the objects of a manifest.
func (n *Namespace) Apply(t *testing.T, manifest string) {
	t.Helper()
	k8s.KubectlApplyFromStringContext(t, t.Context(), n.Options(), manifest)
}

// Delete deletes the objects of a manifest.
func (n *Namespace) Delete(t *testing.T, manifest string) {
	t.Helper()
	k8s.KubectlDeleteFromStringContext(t, t.Context(), n.Options(), manifest)
}

// Options tells terratest how to reach the namespace.
func (n *Namespace) Options() *k8s.KubectlOptions {
	options := k8s.NewKubectlOptions(n.cluster.context, "", n.Name)
	options.Logger = logger.Discard
	return options
}
