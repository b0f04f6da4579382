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
	n := kind.Namespace(t)
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
	n := kind.Namespace(t)
	n.Install(t, "ai-agent", small)
	only := n.Pods(t, "ai-agent")[0].Name
	for _, command := range [][]string{
		{"label", "pod", only, "only=this"},
		{"patch", "service", "ai-agent-service", "--patch", `{"spec": {"selector": {"only": "this"}}}`},
	} {
		out, err := n.Kubectl(t, command...)
		require.NoError(t, err, out)
	}
	cluster.Eventually(t, "one endpoint", time.Minute, func() error { return endpoints(t, n, 1) })
	for pod, runs := range askMany(t, n) {
		if pod == only {
			assert.Equal(t, asked, runs)
		} else {
			assert.Zero(t, runs, pod)
		}
	}
}

// askMany asks for runs through the Service and returns how many each pod started.
func askMany(t *testing.T, n *cluster.Namespace) map[string]int {
	t.Helper()
	for i := range asked {
		out, err := n.Kubectl(t, "exec", "deployment/llm", "--", "/agent", "ask", "--url", serviceURL, "--max-tokens=1", fmt.Sprint("run ", i))
		require.NoError(t, err, out)
	}
	counts := map[string]int{}
	for _, pod := range n.Pods(t, "ai-agent") {
		log, err := n.Client.CoreV1().Pods(n.Name).GetLogs(pod.Name, &corev1.PodLogOptions{}).DoRaw(t.Context())
		require.NoError(t, err)
		counts[pod.Name] = strings.Count(string(log), `"msg":"run started"`)
	}
	return counts
}
