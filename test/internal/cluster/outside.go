package cluster

import (
	"context"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Outside starts a server outside of the cluster that answers at the given IPv4
// addresses and ports, and adds a route to it on every node, so that no packet for
// these addresses leaves this machine. The server is a container on the nodes'
// network, and is removed when the test ends. Only one test at a time can have it, and
// the cluster must be kind's.
func (c *Cluster) Outside(t *testing.T, image string, addresses []string, ports ...string) {
	t.Helper()
	c.Lock(t, "outside")
	nodes, err := c.client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	node := nodes.Items[0].Name // kind runs a node as a container of the same name
	toolbox := docker(t.Context(), t, "inspect", "--format", "{{.Config.Image}}", node)

	labels := []string{"--label", c.outsideLabel(), "--label", runLabel + "=" + c.run.id}
	start := func(network, port string) string {
		args := append([]string{"run", "--detach", "--network", network}, labels...)
		return docker(t.Context(), t, append(args, image, "llm", "--addr", ":"+port)...)
	}
	server := start("kind", ports[0])
	t.Cleanup(func() {
		assert.NoError(t, removeContainers(context.WithoutCancel(t.Context()), "label="+runLabel+"="+c.run.id))
	})
	for _, port := range ports[1:] {
		start("container:"+server, port)
	}
	via := docker(t.Context(), t, "inspect", "--format", "{{.NetworkSettings.Networks.kind.IPAddress}}", server)
	for _, address := range addresses {
		docker(t.Context(), t, "run", "--rm", "--network", "container:"+server, "--cap-add", "NET_ADMIN", "--entrypoint", "ip", toolbox, "address", "add", address+"/32", "dev", "lo")
		for _, node := range nodes.Items {
			docker(t.Context(), t, "exec", node.Name, "ip", "route", "replace", address+"/32", "via", via)
			t.Cleanup(func() {
				ctx := context.WithoutCancel(t.Context())
				out, err := exec.CommandContext(ctx, "docker", "exec", node.Name, "ip", "route", "delete", address+"/32").CombinedOutput()
				assert.NoError(t, err, string(out))
			})
		}
	}
}

// outsideLabel is on all servers outside of a cluster: scripts/down.sh uses it too.
// docker runs a command of Docker and returns what it prints. It fails the test if the
// command fails.
func docker(ctx context.Context, t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(ctx, "docker", args...).CombinedOutput()
	require.NoError(t, err, "docker %s: %s", strings.Join(args, " "), out)
	return strings.TrimSpace(string(out))
}

func (c *Cluster) outsideLabel() string { return "ai-agent/outside-of=" + c.Name() }

// removeServersOutside removes the servers of runs that have ended.
func (c *Cluster) removeServersOutside(ctx context.Context) error {
	found, err := dockerLines(ctx, "ps", "--all", "--filter", "label="+c.outsideLabel(), "--format", `{{.Label "`+runLabel+`"}}`)
	if err != nil {
		return err
	}
	live, err := c.run.live(ctx) // last: a run that has joined meanwhile is live
	if err != nil {
		return err
	}
	for _, id := range found {
		if !live[id] {
			if err := removeContainers(ctx, "label="+c.outsideLabel(), "label="+runLabel+"="+id); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeContainers removes the containers that all filters of docker select.
func removeContainers(ctx context.Context, filters ...string) error {
	list := []string{"ps", "--all", "--quiet"}
	for _, filter := range filters {
		list = append(list, "--filter", filter)
	}
	ids, err := dockerLines(ctx, list...)
	if err != nil || len(ids) == 0 {
		return err
	}
	return exec.CommandContext(ctx, "docker", append([]string{"rm", "--force"}, ids...)...).Run()
}

// dockerLines returns the lines that a docker command prints; none without docker.
func dockerLines(ctx context.Context, args ...string) ([]string, error) {
	if _, err := exec.LookPath("docker"); err != nil {
		return nil, nil
	}
	out, err := exec.CommandContext(ctx, "docker", args...).Output()
	return strings.Fields(string(out)), err
}
