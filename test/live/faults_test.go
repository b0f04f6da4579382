package live

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/cluster"
	"example.com/ai-agent/test/internal/observe"
	"example.com/ai-agent/test/internal/profile"
)

// The commands in a release's NOTES lead to the cause of each fault, and a fault affects
// no other release in the namespace.
func TestNotesLeadToTheCauseOfAFault(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	n.Install(t, "ai-agent", profile.Single(nil))
	healthy := observe.Of(n, "ai-agent")
	since := observe.ReadySince(healthy.Pod(t))
	t.Run("faults", func(t *testing.T) {
		for release, tc := range map[string]struct {
			values chart.Values
			causes []string // in Kubernetes' words
		}{
			"oom":       {chart.Values{"args": chart.List{"serve", "--fault=grow-memory"}, "resources.limits.memory": "96Mi"}, []string{"OOMKilled"}},
			"crash":     {chart.Values{"args": chart.List{"serve", "--fault=exit=2s"}}, []string{"Exit Code:    1", "Back-off restarting failed container", `"msg":"fault","name":"exit"`}},
			"no-image":  {chart.Values{"image.tag": "9.9.9"}, []string{"ai-agent:9.9.9", "ErrImagePull"}},
			"no-secret": {chart.Values{"secret.existingSecret": "nowhere"}, []string{"CreateContainerConfigError", `secret "nowhere" not found`}},
		} {
			t.Run(release, func(t *testing.T) {
				t.Parallel()
				n.InstallNoWait(t, release, profile.Single(tc.values))
				notes := n.MustHelm(t, "get", "notes", release)
				cluster.Eventually(t, "a fault", 2*time.Minute, faulty(observe.Of(n, release))) // first, because it costs less than the commands
				cluster.Eventually(t, "the cause", 3*time.Minute, explained(t, n, release, notes, tc.causes...))
			})
		}
	})
	pod := healthy.Pod(t)
	assert.True(t, observe.IsReady(pod))
	assert.Equal(t, since, observe.ReadySince(pod), "Ready the whole time")
	assert.Zero(t, observe.Restarts(pod))
}

// Where a quota allows no pod, the commands in NOTES lead to the quota.
func TestNotesLeadToTheQuota(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	n.MustKubectl(t, "create", "quota", "little", "--hard=requests.memory=300Mi")
	n.InstallNoWait(t, "ai-agent", nil)
	notes := n.MustHelm(t, "get", "notes", "ai-agent")
	cluster.Eventually(t, "the quota as the cause", time.Minute,
		explained(t, n, "ai-agent", notes, "exceeded quota: little, requested: requests.memory=512Mi"))
}

// faulty holds if a pod of a release was restarted or cannot start.
func faulty(r *observe.Release) cluster.Condition {
	return func(ctx context.Context) error {
		pods, err := r.ListPods(ctx)
		if err != nil {
			return err
		}
		for _, pod := range pods {
			for _, status := range pod.Status.ContainerStatuses {
				waiting := status.State.Waiting
				if status.RestartCount > 0 || waiting != nil && waiting.Reason != "ContainerCreating" {
					return nil
				}
			}
		}
		return fmt.Errorf("%d pods without a fault", len(pods))
	}
}

var advice = regexp.MustCompile(`(?m)^  kubectl (-n \S+ (?:describe|logs|get events) .+)$`)

// explained holds if the commands in NOTES for pods that are not Ready print all of the
// causes about this release.
func explained(t *testing.T, n *cluster.Namespace, release, notes string, causes ...string) cluster.Condition {
	t.Helper()
	commands := advice.FindAllStringSubmatch(notes, -1)
	require.NotEmpty(t, commands, notes)
	return func(context.Context) error {
		printed := ""
		for _, command := range commands {
			out, _ := n.Kubectl(t, strings.Fields(command[1])...) // `logs --previous` fails before the first restart
			for line := range strings.Lines(out) {
				if strings.Contains(line, release) || !strings.Contains(command[1], "get events") {
					printed += line
				}
			}
		}
		for _, cause := range causes {
			if !strings.Contains(printed, cause) {
				return fmt.Errorf("the commands in the NOTES of %s do not print %q", release, cause)
			}
		}
		return nil
	}
}
