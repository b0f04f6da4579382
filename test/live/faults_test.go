package live

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/cluster"
)

// What goes wrong says why where the chart's NOTES send people, and hurts nothing
// else in the namespace.
func TestFaultsSayWhyAndHurtNobodyElse(t *testing.T) {
	t.Parallel()
	n := kind.Namespace(t)
	n.Install(t, "ai-agent", alone(nil))
	since := readySince(n.Pods(t, "ai-agent")[0])
	t.Run("faults", func(t *testing.T) {
		for release, tc := range map[string]struct {
			values chart.Values
			says   []string
		}{
			"oom":       {chart.Values{"args": `["serve", "--fault=grow-memory"]`, "resources.limits.memory": `"96Mi"`}, []string{"OOMKilled"}},
			"crash":     {chart.Values{"args": `["serve", "--fault=exit=2s"]`}, []string{"Exit Code:    1", "Back-off restarting failed container", `"msg":"fault","name":"exit"`}},
			"no-image":  {chart.Values{"image.tag": `"9.9.9"`}, []string{"ai-agent:9.9.9", "ErrImagePull"}},
			"no-secret": {chart.Values{"secret.existingSecret": `"nowhere"`}, []string{"CreateContainerConfigError", `secret "nowhere" not found`}},
		} {
			t.Run(release, func(t *testing.T) {
				t.Parallel()
				n.InstallNoWait(t, release, alone(tc.values))
				notes := n.MustHelm(t, "get", "notes", release)
				cluster.Eventually(t, "trouble", 2*time.Minute, func() error { return troubled(t, n, release) }) // looked at first, for it costs less
				cluster.Eventually(t, "the cause", 3*time.Minute, func() error { return explained(t, n, release, notes, tc.says...) })
			})
		}
	})
	for _, pod := range n.Pods(t, "ai-agent") {
		assert.True(t, isReady(pod), pod.Name)
		assert.Equal(t, since, readySince(pod), "all the while")
		assert.Zero(t, restarts(pod), pod.Name)
	}
}

// A quota that is used up lets no pod come to be, and the events say so.
func TestQuotaSaysWhy(t *testing.T) {
	t.Parallel()
	n := kind.Namespace(t)
	n.MustKubectl(t, "create", "quota", "little", "--hard=requests.memory=300Mi")
	n.InstallNoWait(t, "ai-agent", nil)
	notes := n.MustHelm(t, "get", "notes", "ai-agent")
	cluster.Eventually(t, "the quota as the cause", time.Minute, func() error {
		return explained(t, n, "ai-agent", notes, "exceeded quota: little, requested: requests.memory=512Mi")
	})
}

// troubled reports whether a release's pod has been restarted or cannot start.
func troubled(t *testing.T, n *cluster.Namespace, release string) error {
	t.Helper()
	for _, pod := range n.Pods(t, release) {
		for _, status := range pod.Status.ContainerStatuses {
			waiting := status.State.Waiting
			if status.RestartCount > 0 || waiting != nil && waiting.Reason != "ContainerCreating" {
				return nil
			}
		}
	}
	return fmt.Errorf("%s is not in trouble", release)
}

var advice = regexp.MustCompile(`(?m)^  kubectl (-n \S+ (?:describe|logs|get events) .+)$`)

// explained runs the commands that a release's NOTES give for pods that are not
// Ready, and reports which of the causes they do not say of this release.
func explained(t *testing.T, n *cluster.Namespace, release, notes string, causes ...string) error {
	t.Helper()
	commands := advice.FindAllStringSubmatch(notes, -1)
	require.Len(t, commands, 3, notes)
	said := ""
	for _, command := range commands {
		out, _ := n.Kubectl(t, strings.Fields(command[1])...) // logs of what was never restarted are an error
		for line := range strings.Lines(out) {
			if strings.Contains(line, release) || !strings.Contains(command[1], "get events") {
				said += line
			}
		}
	}
	for _, cause := range causes {
		if !strings.Contains(said, cause) {
			return fmt.Errorf("what the NOTES of %s advise says nothing of %q", release, cause)
		}
	}
	return nil
}
