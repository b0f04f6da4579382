package live

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"example.com/ai-agent/test/internal/cluster"
	"example.com/ai-agent/test/internal/observe"
	"example.com/ai-agent/test/internal/prober"
	"example.com/ai-agent/test/internal/profile"
)

// asked is the number of runs to ask for. The probability that one of two pods gets
// none of them is 1 in 2^11.
const asked = 12

// The Service spreads runs over all pods, for a client in another namespace too.
// Control: with a Service that selects one pod only, that pod gets all of them.
func TestServiceSpreadsRuns(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	n.Install(t, "ai-agent", profile.Two())
	agents, elsewhere := observe.Of(n, "ai-agent"), newNamespace(t)
	spread := askMany(t, agents, n, elsewhere)
	t.Log(spread)
	assert.Len(t, spread, 2)
	total := 0
	for pod, runs := range spread {
		assert.Positive(t, runs, pod)
		total += runs
	}
	assert.Equal(t, asked, total)

	only := agents.Pods(t)[0].Name
	n.MustKubectl(t, "label", "pod", only, "only=this")
	n.MustKubectl(t, "patch", "service", "ai-agent-service", "--patch", `{"spec": {"selector": {"only": "this"}}}`)
	cluster.Eventually(t, "a Service with one endpoint", time.Minute, agents.Endpoints(1))
	// The nodes learn of it a little later than the API server.
	for range 3 {
		if spread = askMany(t, agents, n, elsewhere); spread[only] == asked {
			break
		}
	}
	assert.Equal(t, asked, spread[only])
}

// askMany asks for runs through the Service, from another namespace, and returns how
// many of them each pod has completed.
func askMany(t *testing.T, agents *observe.Release, n, from *cluster.Namespace) map[string]int {
	t.Helper()
	const tokens = 5
	before := completed(t, agents)
	runs := prober.Ask(t, from, prober.Run{URL: serviceURL + "." + n.Name, Task: "from another namespace", Times: asked, MaxTokens: tokens})
	assert.Len(t, runs, asked)
	requireDone(t, runs, tokens)
	counts := completed(t, agents)
	for pod := range counts {
		counts[pod] -= before[pod]
	}
	return counts
}

// completed returns how many runs each pod has completed.
func completed(t *testing.T, agents *observe.Release) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for _, pod := range agents.Pods(t) {
		counts[pod.Name] = agents.Runs(t, pod, "completed")
	}
	return counts
}
