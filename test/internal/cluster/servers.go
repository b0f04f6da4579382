package cluster

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/repo"
)

// The servers that an agent needs, as the chart ci/addons/servers names them.
const (
	Redis    = "redis"
	Postgres = "postgres"
	Model    = "llm"
)

// EveryServer is what an agent needs with the chart's default values.
var EveryServer = []string{Redis, Postgres, Model}

// TokensPerSecond is the speed of the shared model. It is slow because each token of
// each run is a line in a log and several packets.
const TokensPerSecond = 5

// Servers returns the namespace of the servers that all tests share.
func (c *Cluster) Servers() *Namespace { return c.Existing(c.servers) }

// Model returns the pod of the shared model.
func (c *Cluster) Model(t *testing.T) corev1.Pod {
	t.Helper()
	pods, err := c.client.CoreV1().Pods(c.servers).List(t.Context(), metav1.ListOptions{LabelSelector: "app=llm"})
	require.NoError(t, err)
	require.Len(t, pods.Items, 1)
	return pods.Items[0]
}

// startServers starts the shared servers: a server that a test need not start saves
// time, and CPU of all other tests. Requests alone limit the length of the shared
// model's answers.
func (c *Cluster) startServers(ctx context.Context) error {
	namespace, err := c.createNamespace(ctx)
	if err != nil {
		return err
	}
	c.servers = namespace
	objects, err := c.manifest(ctx, EveryServer, "--answer-tokens=100000", fmt.Sprint("--tokens-per-second=", TokensPerSecond))
	if err != nil {
		return err
	}
	apply := exec.CommandContext(ctx, "kubectl", "--context", c.context, "--namespace", namespace, "apply", "--filename=-")
	apply.Stdin = strings.NewReader(objects)
	if out, err := apply.CombinedOutput(); err != nil {
		return fmt.Errorf("starting the shared servers: %w: %s", err, out)
	}
	return nil
}

// manifest renders servers, the model with these flags.
func (c *Cluster) manifest(ctx context.Context, servers []string, model ...string) (string, error) {
	addons, err := chart.Load(repo.Path("ci", "addons", "servers"))
	if err != nil {
		return "", err
	}
	agent, err := repo.AgentImage()
	if err != nil {
		return "", err
	}
	args := chart.List{"llm"}
	for _, flag := range model {
		args = append(args, flag)
	}
	values := chart.Values{"images.agent": agent, "llm.args": args}
	for _, server := range []string{Redis, Postgres} {
		addon, err := c.client.AppsV1().Deployments("default").Get(ctx, server, metav1.GetOptions{})
		if err != nil {
			return "", fmt.Errorf("reading the add-on %s, whose image the test uses: %w", server, err)
		}
		values["images."+server] = addon.Spec.Template.Spec.Containers[0].Image
	}
	for _, server := range EveryServer {
		values[server+".enabled"] = slices.Contains(servers, server)
	}
	return addons.Render(chart.Options{Set: values})
}

func (c *Cluster) modelURL() string { return "http://llm-service." + c.servers + ":8080/v1" }

// addresses returns the values that name the shared servers, except those that the
// agent's own namespace has.
func (c *Cluster) addresses(own []string) chart.Values {
	values := chart.Values{}
	for server, config := range map[string]chart.Values{
		Redis:    {"config.REDIS_URL": "redis://redis-service." + c.servers + ":6379"},
		Postgres: {"config.DATABASE_URL": "postgresql://postgres." + c.servers + ":5432/agents"},
		Model:    {"config.OPENAI_BASE_URL": c.modelURL()},
	} {
		if !slices.Contains(own, server) {
			values = values.And(config)
		}
	}
	return values
}
