package live

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/cluster"
	"example.com/ai-agent/test/internal/prober"
	"example.com/ai-agent/test/internal/repo"
)

// A real ingress controller and gateway routes the chart's Ingress and HTTPRoute,
// streams, and cuts no run of more than a minute, not even when it is itself rolled
// out: at the entry point that is set as the chart's NOTES say. Control: at one
// that is left as Traefik has it, its rollout cuts the same runs.
func TestProxyCutsNoRun(t *testing.T) {
	t.Parallel()
	installController(t)
	n := kind.Namespace(t)
	host := n.Name + ".example.com"
	n.Install(t, "ai-agent", two.And(chart.Values{
		"ingress.className":          `"traefik"`,
		"ingress.hosts":              fmt.Sprintf(`[{"host": "ingress.%s"}]`, host),
		"httpRoute.enabled":          "true",
		"httpRoute.parentRefs":       `[{"name": "traefik", "namespace": "traefik"}]`,
		"httpRoute.hostnames":        fmt.Sprintf(`["route.%s"]`, host),
		"networkPolicy.ingress.from": `[{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "traefik"}}}]`,
	}))
	const patient, hasty = "http://traefik.traefik", "http://traefik.traefik:81"
	var ways []prober.Run
	for _, name := range []string{"ingress." + host, "route." + host} {
		for _, entry := range []string{patient, hasty} {
			ways = append(ways, prober.Run{URL: entry, Host: name, Task: "count", MaxTokens: runTokens, Settled: true})
		}
	}
	asking := prober.Listen(t, n, 8081).Name
	for _, way := range ways {
		cluster.Eventually(t, "a way through the proxy", 2*time.Minute, func() error {
			out, err := n.Kubectl(t, "exec", asking, "--", "/agent", "ask", "--url", way.URL, "--host", way.Host, "--max-tokens=1", "hello")
			if err != nil {
				return fmt.Errorf("%s at %s: %s", way.Host, way.URL, out)
			}
			return nil
		})
	}
	clients := prober.Start(t, n, ways...)
	for _, client := range clients {
		prober.AwaitWords(t, n, client) // it streams, and does not hold the answer back until it is whole
	}
	n.MustKubectl(t, "--namespace=traefik", "rollout", "restart", "deployment/traefik")
	for i, way := range ways {
		answer, err := prober.Await(t, n, clients[i])
		if way.URL == hasty {
			assert.ErrorContains(t, err, "the run was cut", "%s at %s", way.Host, way.URL)
			continue
		}
		assert.NoError(t, err, "%s at %s", way.Host, way.URL)
		assert.Len(t, strings.Fields(answer), runTokens, "%s at %s", way.Host, way.URL)
	}
}

// installController puts Traefik into a cluster that has none, as that of `make
// up`. `make test` has done so before, so that nothing compiles beside the tests.
func installController(t *testing.T) {
	t.Helper()
	_, err := kind.Client.AppsV1().Deployments("traefik").Get(t.Context(), "traefik", metav1.GetOptions{})
	if err == nil {
		return
	}
	require.True(t, apierrors.IsNotFound(err), "%v", err)
	command := exec.CommandContext(t.Context(), repo.Path("scripts", "ingress-controller.sh"))
	command.Env = append(os.Environ(), "CLUSTER="+kind.Name())
	out, err := command.CombinedOutput()
	require.NoError(t, err, string(out))
}
