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

// Each pod is on a worker of its own, even where one has more room than the others;
// so a worker that is lost, as by a power cut, takes one out of the Service, and the
// others go on answering. When it is back, so is its pod. Control: without the
// chart's placement all pods crowd where the room is, and that worker takes them all.
// Not parallel: it takes every test's pods.
func TestSpreadPodsOutliveALostWorker(t *testing.T) {
	n := kind.Namespace(t)
	servers := kind.Existing(kind.Servers)
	servers.MustKubectl(t, "rollout", "status", "deployment/llm", "--timeout=2m")
	model, err := servers.Client.CoreV1().Pods(servers.Name).List(t.Context(), metav1.ListOptions{LabelSelector: "app=llm"})
	require.NoError(t, err)
	kept := model.Items[0].Spec.NodeName
	full := slices.DeleteFunc(workers(t), func(worker string) bool { return worker == kept })
	lost := full[0]
	full[0] = kept
	for i, worker := range full {
		n.InstallNoWait(t, fmt.Sprint("filler-", i), alone(chart.Values{"nodeSelector": fmt.Sprintf(`{"kubernetes.io/hostname": %q}`, worker), "resources.requests.cpu": `"1"`}))
	}
	n.Install(t, "ai-agent", two.With("replicaCount", "3").With("networkPolicy.enabled", "false")) // no engine has to learn of its client
	n.Install(t, "crowd", two.And(chart.Values{
		"affinity":                  `{"nodeAffinity": {}}`,
		"topologySpreadConstraints": `[{"maxSkew": 1, "topologyKey": "kubernetes.io/os", "whenUnsatisfiable": "ScheduleAnyway"}]`,
	}))
	assert.Equal(t, []string{lost}, nodesOf(t, n, "crowd"))
	assert.Len(t, nodesOf(t, n, "ai-agent"), 3)

	docker := func(command string) {
		out, err := exec.CommandContext(context.Background(), "docker", command, lost).CombinedOutput() // a node of kind's is a container
		require.NoError(t, err, string(out))
	}
	back := func() {
		docker("start")
		cluster.Eventually(t, "the worker's return", 3*time.Minute, func() error { return nodeReady(lost) })
	}
	t.Cleanup(back)
	docker("kill")
	cluster.Eventually(t, "two endpoints", 2*time.Minute, func() error { return endpoints(t, n, 2) })
	cluster.Eventually(t, "none of the crowd", time.Minute, func() error { return endpointsOf(t, n, "crowd-ai-agent-service", 0) })
	answer, err := prober.Ask(t, n, prober.Run{Node: kept, URL: serviceURL, Task: "is one left", Settled: true})
	require.NoError(t, err)
	assert.Contains(t, answer, "is one left")

	back()
	cluster.Eventually(t, "three endpoints", 3*time.Minute, func() error { return endpoints(t, n, 3) })
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

// nodesOf names the nodes that have a pod of a release, each once.
func nodesOf(t *testing.T, n *cluster.Namespace, release string) []string {
	t.Helper()
	var nodes []string
	for _, pod := range n.Pods(t, release) {
		nodes = append(nodes, pod.Spec.NodeName)
	}
	slices.Sort(nodes)
	return slices.Compact(nodes)
}
