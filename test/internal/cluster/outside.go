package cluster

import (
	"context"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Outside starts a server outside of the cluster that answers at the given IPv4
// addresses and ports, and tells every node the way to it, so that no packet for
// one of them leaves this machine. It is a container on the nodes' network; it
// goes when the test ends. The cluster must be one of kind's.
func (c *Cluster) Outside(t *testing.T, image string, addresses []string, ports ...string) {
	t.Helper()
	docker := func(args ...string) string {
		out, err := exec.CommandContext(t.Context(), "docker", args...).CombinedOutput()
		require.NoError(t, err, "docker %s: %s", strings.Join(args, " "), out)
		return strings.TrimSpace(string(out))
	}
	nodes, err := c.Client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	node := nodes.Items[0].Name // a node of kind's is a container of the same name
	toolbox := docker("inspect", "--format", "{{.Config.Image}}", node)

	server := docker("run", "--detach", "--label", serverOf(c.Name()), "--network", "kind", image, "llm", "--addr", ":"+ports[0])
	t.Cleanup(func() { require.NoError(t, removeServers(context.Background(), c.Name())) }) // not the test's context: it has ended
	for _, port := range ports[1:] {
		docker("run", "--detach", "--label", serverOf(c.Name()), "--network", "container:"+server, image, "llm", "--addr", ":"+port)
	}
	via := docker("inspect", "--format", "{{.NetworkSettings.Networks.kind.IPAddress}}", server)
	for _, address := range addresses {
		docker("run", "--rm", "--network", "container:"+server, "--cap-add", "NET_ADMIN", "--entrypoint", "ip", toolbox, "address", "add", address+"/32", "dev", "lo")
		for _, node := range nodes.Items {
			docker("exec", node.Name, "ip", "route", "replace", address+"/32", "via", via)
			t.Cleanup(func() {
				// Not the test's context: it has ended.
				out, err := exec.CommandContext(context.Background(), "docker", "exec", node.Name, "ip", "route", "delete", address+"/32").CombinedOutput()
				require.NoError(t, err, string(out))
			})
		}
	}
}

// serverOf is the label of a cluster's servers, by which scripts/down.sh too finds
// them.
func serverOf(cluster string) string { return "ai-agent/outside-of=" + cluster }

// removeServers removes the servers outside of a cluster, where Docker is there.
func removeServers(ctx context.Context, cluster string) error {
	if _, err := exec.LookPath("docker"); err != nil {
		return nil
	}
	left, err := exec.CommandContext(ctx, "docker", "ps", "--all", "--quiet", "--filter", "label="+serverOf(cluster)).Output()
	if err != nil || len(left) == 0 {
		return err
	}
	return exec.CommandContext(ctx, "docker", append([]string{"rm", "--force"}, strings.Fields(string(left))...)...).Run()
}
