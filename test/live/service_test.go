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

// asked is how many runs are asked for, one after the other. That one of two pods
// gets none of them by chance happens once in 2^29.
const asked = 30

// The Service spreads runs over every pod, for a client of another namespace too.
func TestServiceSpreadsRuns(t *testing.T) {
	t.Parallel()
	n := kind.Namespace(t, cluster.Model)
	n.Install(t, "ai-agent", small)
	total := 0
	for pod, runs := range askMany(t, n) {
		t.Logf("%s answered %d of %d", pod, runs, asked)
		assert.Positive(t, runs, pod)
		total += runs
	}
	assert.Equal(t, asked, total)

	elsewhere := kind.Namespace(t)
	answer, err := prober.Ask(t, elsewhere, prober.Run{URL: serviceURL + "." + n.Name, Task: "from far away"})
	require.NoError(t, err)
	assert.Contains(t, answer, "from far away")
}

// Control: a Service that knows one pod only, and the count sees it.
func TestServiceOfOnePod(t *testing.T) {
	t.Parallel()
	n := kind.Namespace(t, cluster.Model)
	n.Install(t, "ai-agent", small)
	only := n.Pods(t, "ai-agent")[0].Name
	for _, command := range [][]string{
		{"label", "pod", only, "only=this"},
		{"patch", "service", "ai-agent-service", "--patch", `{"spec": {"selector": {"only": "this"}}}`},
	} {
		out, err := n.Kubectl(t, command...)
		require.NoError(t, err, out)
	}
	// The nodes learn of it a little later than the API server.
	cluster.Eventually(t, "every run at the one pod", 3*time.Minute, func() error {
		if runs := askMany(t, n); runs[only] != asked {
			return fmt.Errorf("%v", runs)
		}
		return nil
	})
}

// askMany asks for runs through the Service and returns how many of them each pod
// started.
func askMany(t *testing.T, n *cluster.Namespace) map[string]int {
	t.Helper()
	ask := func() error {
		out, err := n.Kubectl(t, "exec", "deployment/llm", "--", "/agent", "ask", "--url", serviceURL, "--max-tokens=1", "hello")
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}
	cluster.Eventually(t, "a Service that answers", time.Minute, ask)
	before := started(t, n)
	for range asked {
		require.NoError(t, ask())
	}
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
