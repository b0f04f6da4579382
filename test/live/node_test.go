package live

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/cluster"
	"example.com/ai-agent/test/internal/prober"
)

// Each pod is on a worker of its own; so a worker that is lost, as by a power cut,
// takes one out of the Service, and the others go on answering. When it is back, so
// is its pod. Not parallel: it takes every test's pods.
func TestSpreadPodsOutliveALostWorker(t *testing.T) {
	n := kind.Namespace(t, cluster.Model)
	n.MustKubectl(t, "rollout", "status", "deployment/llm", "--timeout=2m")
	n.Install(t, "ai-agent", three)
	assert.Len(t, nodesOf(t, n), 3)
	model, err := n.Client.CoreV1().Pods(n.Name).List(t.Context(), metav1.ListOptions{LabelSelector: "app=llm"})
	require.NoError(t, err)
	kept := model.Items[0].Spec.NodeName
	lost := workers(t)[0]
	if lost == kept {
		lost = workers(t)[1]
	}
	docker := func(command string) {
		out, err := exec.CommandContext(context.Background(), "docker", command, lost).CombinedOutput() // a node of kind's is a container
		require.NoError(t, err, string(out))
	}
	t.Cleanup(func() {
		docker("start")
		cluster.Eventually(t, "the worker's return", 3*time.Minute, func() error { return nodeReady(lost) })
	})
	docker("kill")
	cluster.Eventually(t, "two endpoints", 2*time.Minute, func() error { return endpoints(t, n, 2) })
	answer, err := prober.Ask(t, n, prober.Run{Node: kept, URL: serviceURL, Task: "is one left"})
	require.NoError(t, err)
	assert.Contains(t, answer, "is one left")

	docker("start")
	cluster.Eventually(t, "the worker's return", 3*time.Minute, func() error { return nodeReady(lost) })
	cluster.Eventually(t, "three endpoints", 3*time.Minute, func() error { return endpoints(t, n, 3) })
}

// three is a release of as many pods as there are workers.
var three = two.With("replicaCount", "3")

// Control: with the chart's placement replaced by a liking for one worker, all
// pods crowd there. Not parallel: a drain leaves two.
func TestPodsCrowdWithoutSpread(t *testing.T) {
	n := kind.Namespace(t)
	n.Install(t, "ai-agent", three.And(chart.Values{
		"affinity": fmt.Sprintf(`{"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "preference":
			{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [%q]}]}}]}}`, workers(t)[0]),
		"topologySpreadConstraints": `[{"maxSkew": 1, "topologyKey": "kubernetes.io/os", "whenUnsatisfiable": "ScheduleAnyway"}]`,
	}))
	assert.Len(t, nodesOf(t, n), 1)
}

func nodeReady(name string) error {
	node, err := kind.Client.CoreV1().Nodes().Get(context.Background(), name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue {
			return nil
		}
	}
	return fmt.Errorf("node %s is not Ready", name)
}

// workers names the nodes that the agents may be on.
func workers(t *testing.T) []string {
	t.Helper()
	nodes, err := kind.Client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{LabelSelector: "!node-role.kubernetes.io/control-plane"})
	require.NoError(t, err)
	var names []string
	for _, node := range nodes.Items {
		names = append(names, node.Name)
	}
	return names
}

// nodesOf names the nodes that have a pod of the release, each once.
func nodesOf(t *testing.T, n *cluster.Namespace) []string {
	t.Helper()
	var nodes []string
	for _, pod := range n.Pods(t, "ai-agent") {
		nodes = append(nodes, pod.Spec.NodeName)
	}
	slices.Sort(nodes)
	return slices.Compact(nodes)
}
