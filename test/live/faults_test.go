package live

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/cluster"
)

// What goes wrong says why where the README sends people, and hurts nothing else
// in the namespace.
func TestFaultsSayWhyAndHurtNobodyElse(t *testing.T) {
	t.Parallel()
	n := kind.Namespace(t)
	n.Install(t, "ai-agent", alone(nil))
	t.Run("faults", func(t *testing.T) {
		for release, tc := range map[string]struct {
			values chart.Values
			says   []string // in `kubectl describe pods`
		}{
			"oom":       {chart.Values{"args": `["serve", "--fault=grow-memory"]`, "resources.limits.memory": `"96Mi"`}, []string{"OOMKilled"}},
			"crash":     {chart.Values{"args": `["serve", "--fault=exit=2s"]`}, []string{"Exit Code:    1", "Back-off restarting failed container"}},
			"no-image":  {chart.Values{"image.tag": `"9.9.9"`}, []string{"ai-agent:9.9.9", "ErrImagePull"}},
			"no-secret": {chart.Values{"secret.existingSecret": `"nowhere"`}, []string{"CreateContainerConfigError", `secret "nowhere" not found`}},
		} {
			t.Run(release, func(t *testing.T) {
				t.Parallel()
				n.InstallBroken(t, release, alone(tc.values))
				cluster.Eventually(t, "the cause", 3*time.Minute, func() error {
					out, err := n.Kubectl(t, "describe", "pods", "--selector=app.kubernetes.io/instance="+release)
					for _, says := range tc.says {
						if err == nil && !strings.Contains(out, says) {
							err = fmt.Errorf("kubectl describe pods says nothing of %q", says)
						}
					}
					return err
				})
			})
		}
	})
	for _, pod := range n.Pods(t, "ai-agent") {
		assert.True(t, isReady(pod), pod.Name)
		assert.Zero(t, restarts(pod), pod.Name)
	}
}

// A quota that is used up lets no pod come to be, and the events say so.
func TestQuotaSaysWhy(t *testing.T) {
	t.Parallel()
	n := kind.Namespace(t)
	n.MustKubectl(t, "create", "quota", "little", "--hard=requests.memory=300Mi")
	n.InstallBroken(t, "ai-agent", nil)
	cluster.Eventually(t, "an event that names the quota", time.Minute, func() error {
		out, err := n.Kubectl(t, "get", "events")
		if err == nil && !strings.Contains(out, "exceeded quota: little, requested: requests.memory=512Mi") {
			err = fmt.Errorf("none among:\n%s", out)
		}
		return err
	})
}
