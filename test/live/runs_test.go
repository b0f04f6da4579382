package live

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"ai-agent/test/internal/chart"
	"ai-agent/test/internal/cluster"
	"ai-agent/test/internal/prober"
)

// A run of runTokens at the sample model's 20 tokens a second takes a minute:
// longer than Kubernetes' own 30 s of grace.
const runTokens = 1200

// The headline: every pod is replaced while runs stream from them, and not one
// is cut.
func TestRolloutCutsNoRun(t *testing.T) {
	t.Parallel()
	n, answers := rollout(t, chart.Values{"agent.maxRunSeconds": "90"})
	for _, answer := range answers {
		require.NoError(t, answer.err)
		assert.Len(t, strings.Fields(answer.text), runTokens)
	}
	for _, pod := range n.Pods(t, "ai-agent") {
		assert.Zero(t, restarts(pod), pod.Name)
	}
}

// Control: told that runs take a second, the chart gives them no more than 31 s,
// and the same runs are cut.
func TestRolloutCutsRunsOverTheBudget(t *testing.T) {
	t.Parallel()
	_, answers := rollout(t, chart.Values{
		"agent.maxRunSeconds": "1",
		// The agent itself must not end them: it is told another budget, past the chart's guards.
		"extraObjects": `[{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "longer"}, "data": {"MAX_RUN_SECONDS": "90"}}]`,
		"envFrom":      `[{"configMapRef": {"name": "longer"}}]`,
	})
	for _, answer := range answers {
		require.ErrorContains(t, answer.err, "the run was cut")
	}
}

type answer struct {
	text string
	err  error
}

// rollout starts runs on a release, replaces all of its pods meanwhile, and
// returns how the runs ended.
func rollout(t *testing.T, values chart.Values) (*cluster.Namespace, []answer) {
	t.Helper()
	n, clients := runs(t, values)
	old := uids(t, n)
	out, err := n.Kubectl(t, "rollout", "restart", "deployment/ai-agent")
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
	return n, answers
}

// runs installs a release and starts four runs on it, each of a minute.
func runs(t *testing.T, values chart.Values) (*cluster.Namespace, []string) {
	t.Helper()
	n := kind.Namespace(t)
	longAnswers(t, n)
	values = maps.Clone(values)
	maps.Copy(values, small)
	n.Install(t, "ai-agent", values)
	var clients []string
	for i := range 4 {
		clients = append(clients, prober.Start(t, n, prober.Run{URL: serviceURL, Task: fmt.Sprint("run ", i), MaxTokens: runTokens}))
	}
	cluster.Eventually(t, "all runs under way", 2*time.Minute, func() error {
		for _, client := range clients {
			pod, err := n.Client.CoreV1().Pods(n.Name).Get(t.Context(), client, metav1.GetOptions{})
			if err != nil {
				return err
			}
			if pod.Status.Phase != corev1.PodRunning {
				return fmt.Errorf("client %s is %s", client, pod.Status.Phase)
			}
		}
		return nil
	})
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
