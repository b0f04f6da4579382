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

// At the sample model's 20 tokens a second, a run of runTokens takes two minutes:
// longer than Kubernetes' own 30 s of grace, and than four clients take to start.
// One that is to be cut would take four: it does not end before.
const (
	runTokens  = 2400
	longTokens = 2 * runTokens
)

// disturbances are what takes every pod of a release away, each as its kubectl
// command.
var disturbances = map[string][]string{
	"rollout":    {"rollout", "restart", "deployment/ai-agent"},
	"scale-down": {"scale", "deployment/ai-agent", "--replicas=0"},
}

// The headline: every pod goes while runs stream from it, and not one is cut.
func TestNoRunIsCut(t *testing.T) {
	t.Parallel()
	for name, command := range disturbances {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, answer := range disturb(t, command, nil, runTokens) {
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

// Control: the same runs with less than their budget are all cut.
func TestRunsOverTheBudgetAreCut(t *testing.T) {
	t.Parallel()
	for name, command := range disturbances {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, answer := range disturb(t, command, overBudget, longTokens) {
				require.ErrorContains(t, answer.err, "the run was cut")
			}
		})
	}
}

type answer struct {
	text string
	err  error
}

// disturb starts runs on a release, takes all of its pods away meanwhile, and
// returns how the runs ended.
func disturb(t *testing.T, command []string, values chart.Values, tokens int) []answer {
	t.Helper()
	n, clients := runs(t, values.With("autoscaling.enabled", "false").With("replicaCount", "2"), tokens)
	old := uids(t, n)
	out, err := n.Kubectl(t, command...)
	require.NoError(t, err, out)
	answers := await(t, n, clients)
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

// runs installs a release and starts four runs of so many tokens on it, all of
// which have begun to stream when it returns.
func runs(t *testing.T, values chart.Values, tokens int) (*cluster.Namespace, []string) {
	t.Helper()
	n := kind.Namespace(t, cluster.Model)
	longAnswers(t, n)
	n.Install(t, "ai-agent", values.And(small))
	var clients []string
	for i := range 4 {
		clients = append(clients, prober.Start(t, n, prober.Run{URL: serviceURL, Task: fmt.Sprint("run ", i), MaxTokens: tokens}))
	}
	for _, client := range clients {
		prober.AwaitWords(t, n, client)
	}
	return n, clients
}

// longAnswers takes away the sample model's own limit of an answer's length.
func longAnswers(t *testing.T, n *cluster.Namespace) {
	t.Helper()
	out, err := n.Kubectl(t, "patch", "deployment", "llm", "--type=json", "--patch",
		`[{"op": "replace", "path": "/spec/template/spec/containers/0/args", "value": ["llm", "--answer-tokens=100000"]}]`)
	require.NoError(t, err, out)
	out, err = n.Kubectl(t, "rollout", "status", "deployment/llm", "--timeout=2m")
	require.NoError(t, err, out)
}

func await(t *testing.T, n *cluster.Namespace, clients []string) []answer {
	t.Helper()
	var answers []answer
	for _, client := range clients {
		text, err := prober.Await(t, n, client)
		answers = append(answers, answer{text, err})
	}
	return answers
}
