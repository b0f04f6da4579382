package cluster

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/repo"
)

// The servers that an agent talks to, as ci/addons has them.
const (
	Redis    = "redis"
	Postgres = "postgres"
	Model    = "llm"
)

// EveryServer is what an agent talks to when no value is set.
var EveryServer = []string{Redis, Postgres, Model}

// manifest is the file of a server, as scripts/addons.sh wrote it.
func manifest(server string) string { return repo.Path(".cache", "servers", server+".yaml") }

// TokensPerSecond is the speed of the shared model: slow, since each token of each
// run is a line in a log and several packets.
const TokensPerSecond = 5

// StartServers starts servers that the agents of all tests share: each pod that a
// test does without is time and CPU for the others. Answers of the model are as
// long as they are asked to be.
func (c *Cluster) StartServers(ctx context.Context) error {
	namespace, err := c.createNamespace(ctx)
	if err != nil {
		return err
	}
	c.Servers = namespace
	for _, server := range EveryServer {
		objects, err := os.ReadFile(manifest(server))
		if err != nil {
			return fmt.Errorf("%w: `make up` or `make test` writes it", err)
		}
		apply := exec.CommandContext(ctx, "kubectl", "--context", c.context, "--namespace", namespace, "apply", "--filename=-")
		model := fmt.Sprintf("args: [llm, --answer-tokens=100000, --tokens-per-second=%d]", TokensPerSecond)
		apply.Stdin = bytes.NewReader(bytes.Replace(objects, []byte("args: [llm]"), []byte(model), 1))
		if out, err := apply.CombinedOutput(); err != nil {
			return fmt.Errorf("starting %s: %w: %s", server, err, out)
		}
	}
	return nil
}

// StopServers removes what StartServers started.
func (c *Cluster) StopServers(ctx context.Context) error {
	return c.Client.CoreV1().Namespaces().Delete(ctx, c.Servers, metav1.DeleteOptions{})
}

// ModelURL is the OPENAI_BASE_URL of the shared model.
func (c *Cluster) ModelURL() string { return "http://llm-service." + c.Servers + ":8080/v1" }

// shared tells the chart where the servers are, but for those that are beside the agent.
func (c *Cluster) shared(beside []string) chart.Values {
	values := chart.Values{}
	for server, config := range map[string]chart.Values{
		Redis:    {"config.REDIS_URL": fmt.Sprintf("%q", "redis://redis-service."+c.Servers+":6379")},
		Postgres: {"config.DATABASE_URL": fmt.Sprintf("%q", "postgresql://postgres."+c.Servers+":5432/agents")},
		Model:    {"config.OPENAI_BASE_URL": fmt.Sprintf("%q", c.ModelURL())},
	} {
		if !slices.Contains(beside, server) {
			values = values.And(config)
		}
	}
	return values
}
