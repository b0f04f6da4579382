package live

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"example.com/ai-agent/test/internal/cluster"
	"example.com/ai-agent/test/internal/prober"
)

// asked is how many runs are asked for. That one of two pods gets none of them by
// chance happens once in 2^11.
const asked = 12

// The Service spreads runs over every pod, for a client of another namespace too.
// Control: a Service that knows one pod only, and the count sees it.
func TestServiceSpreadsRuns(t *testing.T) {
	t.Parallel()
	n := kind.Namespace(t)
	n.Install(t, "ai-agent", two)
	elsewhere := kind.Namespace(t)
	spread := askMany(t, n, elsewhere)
	t.Log(spread)
	assert.Len(t, spread, 2)
	total := 0
	for pod, runs := range spread {
		assert.Positive(t, runs, pod)
		total += runs
	}
	assert.Equal(t, asked, total)

	only := n.Pods(t, "ai-agent")[0].Name
	n.MustKubectl(t, "label", "pod", only, "only=this")
	n.MustKubectl(t, "patch", "service", "ai-agent-service", "--patch", `{"spec": {"selector": {"only": "this"}}}`)
	// The nodes learn of it a little later than the API server.
	cluster.Eventually(t, "every run at the one pod", 3*time.Minute, func() error {
		if runs := askMany(t, n, elsewhere); runs[only] != asked {
			return fmt.Errorf("%v", runs)
		}
		return nil
	})
}

// askMany asks for runs through the Service, from another namespace, and returns
// how many of them each pod started.
func askMany(t *testing.T, n, from *cluster.Namespace) map[string]int {
	t.Helper()
	before := started(t, n)
	answers, err := prober.Ask(t, from, prober.Run{URL: serviceURL + "." + n.Name, Task: "from far away", Times: asked, MaxTokens: 5})
	require.NoError(t, err)
	assert.Equal(t, strings.TrimSpace(strings.Repeat("You asked: from far away ", asked)), answers)
	counts := started(t, n)
	for pod := range counts {
		counts[pod] -= before[pod]
	}
	return counts
}

// started returns how many runs each pod has started.
func started(t *testing.T, n *cluster.Namespace) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for _, pod := range n.Pods(t, "ai-agent") {
		log, err := n.Client.CoreV1().Pods(n.Name).GetLogs(pod.Name, &corev1.PodLogOptions{}).DoRaw(t.Context())
		require.NoError(t, err)
		counts[pod.Name] = strings.Count(string(log), `"msg":"run started"`)
	}
	return counts
}
