package live

import (
	"context"
	"fmt"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"example.com/ai-agent/test/internal/cluster"
	"example.com/ai-agent/test/internal/prober"
)

// A worker that is lost, as by a power cut, takes its pod out of the Service; the
// others go on answering. When it is back, so is its pod. Not parallel: it takes
// every test's pods.
func TestLostWorkerAndBack(t *testing.T) {
	n := kind.Namespace(t, everyServer...)
	kept := gatherServers(t, n)
	n.Install(t, "ai-agent", connected)
	lost := ""
	for _, pod := range n.Pods(t, "ai-agent") {
		if pod.Spec.NodeName != kept {
			lost = pod.Spec.NodeName
		}
	}
	require.NotEmpty(t, lost, "two agents are on two nodes")
	docker := func(command string) {
		out, err := exec.CommandContext(context.Background(), "docker", command, lost).CombinedOutput() // a node of kind's is a container
		require.NoError(t, err, string(out))
	}
	t.Cleanup(func() {
		docker("start")
		cluster.Eventually(t, "the worker's return", 3*time.Minute, func() error { return nodeReady(lost) })
	})
	docker("kill")
	cluster.Eventually(t, "one endpoint", 2*time.Minute, func() error { return endpoints(t, n, 1) })
	answer, err := prober.Ask(t, n, prober.Run{URL: serviceURL, Task: "is one left"})
	require.NoError(t, err)
	assert.Contains(t, answer, "is one left")

	docker("start")
	cluster.Eventually(t, "the worker's return", 3*time.Minute, func() error { return nodeReady(lost) })
	cluster.Eventually(t, "two endpoints", 3*time.Minute, func() error { return endpoints(t, n, 2) })
}

// gatherServers puts what the agents need onto one worker and returns its name.
func gatherServers(t *testing.T, n *cluster.Namespace) string {
	t.Helper()
	node := workers(t)[0]
	for _, server := range everyServer {
		out, err := n.Kubectl(t, "patch", "deployment", server, "--patch",
			fmt.Sprintf(`{"spec": {"template": {"spec": {"nodeSelector": {"kubernetes.io/hostname": %q}}}}}`, node))
		require.NoError(t, err, out)
		out, err = n.Kubectl(t, "rollout", "status", "deployment/"+server, "--timeout=2m")
		require.NoError(t, err, out)
	}
	return node
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
