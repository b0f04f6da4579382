package live

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/cluster"
	"example.com/ai-agent/test/internal/prober"
)

// A run of runTokens takes 75 s: longer than Kubernetes' own 30 s of grace. One that
// is to be cut would take four times as long: it does not end before.
const (
	runTokens  = 75 * cluster.TokensPerSecond
	longTokens = 4 * runTokens
)

// disturbances are what takes every pod of a release away.
var disturbances = map[string]func(*testing.T, *cluster.Namespace){
	"rollout": func(t *testing.T, n *cluster.Namespace) {
		n.MustKubectl(t, "rollout", "restart", "deployment/ai-agent")
	},
	"scale-down": func(t *testing.T, n *cluster.Namespace) {
		n.MustKubectl(t, "scale", "deployment/ai-agent", "--replicas=0")
	},
	"drain": func(t *testing.T, n *cluster.Namespace) {
		agents := len(n.Pods(t, "ai-agent"))
		for _, node := range workers(t) {
			start := time.Now()
			out := n.Drain(t, node)
			t.Logf("%s drained of %d agents in %s", node, strings.Count(out, "evicting pod"), time.Since(start).Round(time.Second))
		}
		cluster.Eventually(t, "as many Ready pods as before the drains", time.Minute, func() error { return ready(t, n, agents) })
	},
}

// The headline: every pod goes while runs stream from it, and not one is cut.
func TestNoRunIsCut(t *testing.T) {
	t.Parallel()
	for name, disturb := range disturbances {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, answer := range answers(t, disturb, two, runTokens) {
				require.NoError(t, answer.err)
				assert.Len(t, strings.Fields(answer.text), runTokens)
			}
		})
	}
}

// overBudget tells the chart that runs take a second, so that it gives them no
// more than 31 s. The agent itself must not end them: it is told another budget,
// past the chart's guards.
var overBudget = chart.Values{
	"agent.maxRunSeconds": "1",
	"extraObjects":        `[{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "longer"}, "data": {"MAX_RUN_SECONDS": "900"}}]`,
	"envFrom":             `[{"configMapRef": {"name": "longer"}}]`,
}

// Control: runs with less than their budget are all cut.
func TestRunsOverTheBudgetAreCut(t *testing.T) {
	t.Parallel()
	for name, disturb := range disturbances {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, answer := range answers(t, disturb, alone(overBudget), longTokens) {
				require.ErrorContains(t, answer.err, "the run was cut")
			}
		})
	}
}

type answer struct {
	text string
	err  error
}

// answers installs a release, starts four runs of so many tokens on it, has all of
// its pods taken away once each run has begun to stream, and returns how the runs
// ended.
func answers(t *testing.T, disturb func(*testing.T, *cluster.Namespace), values chart.Values, tokens int) []answer {
	t.Helper()
	n := kind.Namespace(t)
	n.Install(t, "ai-agent", values)
	run := prober.Run{URL: serviceURL, Task: "count", MaxTokens: tokens}
	clients := prober.Start(t, n, run, run, run, run)
	for _, client := range clients {
		prober.AwaitWords(t, n, client)
	}
	old := uids(t, n)
	disturb(t, n)
	var answers []answer
	for _, client := range clients {
		text, err := prober.Await(t, n, client)
		answers = append(answers, answer{text, err})
	}
	cluster.Eventually(t, "the end of every old pod", 3*time.Minute, func() error {
		for _, pod := range n.Pods(t, "ai-agent") {
			if slices.Contains(old, pod.UID) && pod.Status.Phase == corev1.PodRunning {
				return fmt.Errorf("pod %s still runs", pod.Name)
			}
		}
		return nil
	})
	for _, pod := range n.Pods(t, "ai-agent") {
		assert.Zero(t, restarts(pod), pod.Name)
	}
	return answers
}
