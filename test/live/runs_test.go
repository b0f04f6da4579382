package live

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/agent/output"
	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/cluster"
	"example.com/ai-agent/test/internal/observe"
	"example.com/ai-agent/test/internal/prober"
	"example.com/ai-agent/test/internal/profile"
)

// A run of runTokens takes 75 s, longer than Kubernetes' default grace period of 30 s.
// A run that is to be interrupted would take four times as long: it cannot end before.
const (
	runTokens  = 75 * cluster.TokensPerSecond
	longTokens = 4 * runTokens
)

// disturbances remove every pod of a release.
var disturbances = map[string]func(*testing.T, *cluster.Namespace){
	"rollout": func(t *testing.T, n *cluster.Namespace) {
		n.MustKubectl(t, "rollout", "restart", "deployment/ai-agent")
	},
	"scale-down": func(t *testing.T, n *cluster.Namespace) {
		n.MustKubectl(t, "scale", "deployment/ai-agent", "--replicas=0")
	},
	"drain": func(t *testing.T, n *cluster.Namespace) {
		agents := observe.Of(n, "ai-agent")
		before := len(agents.Pods(t))
		for _, node := range workers(t) {
			start := time.Now()
			out := n.Drain(t, node)
			t.Logf("%s: %d agents evicted in %s", node, strings.Count(out, "evicting pod"), time.Since(start).Round(time.Second))
		}
		cluster.Eventually(t, "as many Ready pods as before the drains", time.Minute, agents.Ready(before))
	},
}

// The main promise: every pod is removed while it streams runs, and no run is
// interrupted. The pods end with their last run, so only the clients can tell.
func TestNoRunIsInterrupted(t *testing.T) {
	t.Parallel()
	for name, disturb := range disturbances {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireDone(t, disturbedRuns(t, newNamespace(t), disturb, profile.Two(), runTokens), runTokens)
		})
	}
}

// overBudget makes the chart believe that a run takes a second: pods get a grace period
// of 31 s.
var overBudget = chart.Values{"agent.maxRunSeconds": 1}

// patient returns a copy of the chart whose agents do not end longer runs themselves.
func patient(t *testing.T) string {
	t.Helper()
	return broken(t, "_config.tpl", budget, `"900"`)
}

// budget is the chart's value of MAX_RUN_SECONDS.
const budget = "{{ int64 .Values.agent.maxRunSeconds | quote }}"

// Control: all runs that take longer than their budget are interrupted.
func TestRunsOverTheBudgetAreInterrupted(t *testing.T) {
	t.Parallel()
	for name, disturb := range disturbances {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, run := range disturbedRuns(t, newNamespace(t).Chart(patient(t)), disturb, profile.Single(overBudget), longTokens) {
				require.Equal(t, output.Interrupted, run.Outcome, run.Error)
				require.Less(t, run.Tokens, longTokens)
			}
		})
	}
}

// disturbedRuns installs a release, starts four runs on it, removes all of its pods
// once each run streams, and returns how the runs ended.
func disturbedRuns(t *testing.T, n *cluster.Namespace, disturb func(*testing.T, *cluster.Namespace), values chart.Values, tokens int) []output.Run {
	t.Helper()
	return disturbedRunsOf(t, n, disturb, values, prober.Run{URL: serviceURL, Task: "count", MaxTokens: tokens})
}

// disturbedRunsOf is disturbedRuns with runs that another client asks for.
func disturbedRunsOf(t *testing.T, n *cluster.Namespace, disturb func(*testing.T, *cluster.Namespace), values chart.Values, run prober.Run) []output.Run {
	t.Helper()
	n.Install(t, "ai-agent", values)
	clients := prober.Start(t, n, run, run, run, run)
	for _, client := range clients {
		client.AwaitTokens(t)
	}
	agents := observe.Of(n, "ai-agent")
	old := agents.UIDs(t)
	disturb(t, n)
	var runs []output.Run
	for _, client := range clients {
		runs = append(runs, client.Await(t)...)
	}
	assert.Len(t, runs, len(clients))
	cluster.Eventually(t, "the end of every old pod", 3*time.Minute, agents.Gone(old))
	for _, pod := range agents.Pods(t) {
		assert.Zero(t, observe.Restarts(pod), pod.Name)
	}
	return runs
}
