package cluster

import (
	"cmp"
	"os"
	"os/exec"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
)

// HelmCommand is the helm of the tests that name no other: that of the environment
// variable HELM, such as helm4, or helm.
func HelmCommand() string { return cmp.Or(os.Getenv("HELM"), "helm") }

// Using returns the same namespace for another helm, such as helm4.
func (n *Namespace) Using(helm string) *Namespace {
	other := *n
	other.helm = helm
	return &other
}

// Chart returns the same namespace for another chart: a folder or a package.
func (n *Namespace) Chart(path string) *Namespace {
	other := *n
	other.chart = path
	return &other
}

// waiting makes helm wait until all pods are Ready.
var waiting = []string{"--wait", "--timeout=3m"}

// Install installs a release and waits until its pods are Ready.
func (n *Namespace) Install(t *testing.T, release string, values chart.Values) {
	t.Helper()
	n.InstallNoWait(t, release, values, waiting...)
}

// InstallNoWait installs a release that need not become Ready.
func (n *Namespace) InstallNoWait(t *testing.T, release string, values chart.Values, flags ...string) {
	t.Helper()
	out, err := n.release(t, "install", release, n.Values(values), flags...)
	require.NoError(t, err, out)
}

// Values adds to values what an install in this namespace needs: the addresses of the
// servers, and the label that they ask of their clients.
func (n *Namespace) Values(values chart.Values) chart.Values {
	return n.config.And(values).With("podLabels", chart.Map{NamespaceLabel: n.Name})
}

// Upgrade upgrades a release with further values, and waits until its pods are Ready.
func (n *Namespace) Upgrade(t *testing.T, release string, values chart.Values) {
	t.Helper()
	out, err := n.TryUpgrade(t, release, values, slices.Concat([]string{"--reuse-values"}, waiting)...)
	require.NoError(t, err, out)
}

// TryUpgrade upgrades a release with these flags, and returns what helm printed.
func (n *Namespace) TryUpgrade(t *testing.T, release string, values chart.Values, flags ...string) (string, error) {
	t.Helper()
	return n.release(t, "upgrade", release, values, flags...)
}

func (n *Namespace) release(t *testing.T, command, release string, values chart.Values, flags ...string) (string, error) {
	t.Helper()
	args := []string{
		command, release, cmp.Or(n.chart, chart.Dir()), "--values", charttest.File(t, values),
		// The server validates. If helm does so too, it takes a third of an install's CPU
		// and half of an upgrade's.
		"--disable-openapi-validation",
	}
	return n.Helm(t, append(args, flags...)...)
}

// Helm runs any helm command in the namespace and returns what it printed.
func (n *Namespace) Helm(t *testing.T, args ...string) (string, error) {
	t.Helper()
	args = append(args, "--namespace", n.Name, "--kube-context", n.cluster.context)
	out, err := exec.CommandContext(t.Context(), cmp.Or(n.helm, HelmCommand()), args...).CombinedOutput()
	return string(out), err
}

// MustHelm is Helm for a command that has to succeed.
func (n *Namespace) MustHelm(t *testing.T, args ...string) string {
	t.Helper()
	out, err := n.Helm(t, args...)
	require.NoError(t, err, out)
	return out
}
