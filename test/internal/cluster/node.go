package cluster

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// PowerOff ends everything on a node at once, without any signal. The node must be kind's,
// which runs a node as a container. The function that it returns powers the node on, and
// waits until it can be used. If the test does not call it, its cleanup does. The test must
// have the cluster to itself.
func (n *Namespace) PowerOff(t *testing.T, node string) (on func()) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	on = func() {
		docker(ctx, t, "start", node)
		Eventually(t, "the return of node "+node, 3*time.Minute, n.nodeReady(node))
		Eventually(t, "routes between all nodes", 3*time.Minute, n.routed) // all tests need them
	}
	t.Cleanup(on)
	docker(ctx, t, "kill", node)
	return on
}

// CutOff resets the connections that a pod has to an address and port, and refuses new ones
// for a while. The pod's node must be kind's.
func (n *Namespace) CutOff(t *testing.T, pod corev1.Pod, address string, port int32, period time.Duration) {
	t.Helper()
	_, container, _ := strings.Cut(pod.Status.ContainerStatuses[0].ContainerID, "://")
	// The rule is in the pod's network namespace: it applies before any Service or NetworkPolicy,
	// and disappears with the pod even if the test is interrupted.
	const script = `set -e
pid=$(ctr --namespace k8s.io tasks list | awk -v id="$1" '$1 == id {print $2}')
rule="OUTPUT --destination $2 --protocol tcp --dport $3 --jump REJECT --reject-with tcp-reset"
nsenter --target "$pid" --net iptables --wait --insert $rule
sleep "$4"
nsenter --target "$pid" --net iptables --wait --delete $rule`
	docker(t.Context(), t, "exec", pod.Spec.NodeName, "sh", "-c", script, "sh", container, address, fmt.Sprint(port), fmt.Sprint(period.Seconds()))
}

// nodeReady holds if a node is Ready.
func (n *Namespace) nodeReady(name string) Condition {
	return func(ctx context.Context) error {
		node, err := n.Client().CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		isReady := func(c corev1.NodeCondition) bool {
			return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
		}
		if !slices.ContainsFunc(node.Status.Conditions, isReady) {
			return fmt.Errorf("node %s is not Ready", name)
		}
		return nil
	}
}

// routed holds if every node has a route to the pods of each other node, through its
// current address. When a node returns, it is Ready before the others have one.
func (n *Namespace) routed(ctx context.Context) error {
	nodes, err := n.Client().CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for _, node := range nodes.Items {
		routes, err := exec.CommandContext(ctx, "docker", "exec", node.Name, "ip", "route").Output()
		if err != nil {
			return err
		}
		for _, other := range nodes.Items {
			route := fmt.Sprintf("%s via %s ", other.Spec.PodCIDR, address(other))
			if other.Name != node.Name && !strings.Contains(string(routes), route) {
				return fmt.Errorf("%s has no route %s to the pods of %s", node.Name, route, other.Name)
			}
		}
	}
	return nil
}

// address returns the address at which other nodes reach a node, or "".
func address(node corev1.Node) string {
	for _, address := range node.Status.Addresses {
		if address.Type == corev1.NodeInternalIP {
			return address.Address
		}
	}
	return ""
}
