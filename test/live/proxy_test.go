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

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/cluster"
	"example.com/ai-agent/test/internal/prober"
	"example.com/ai-agent/test/internal/repo"
)

// proxyTokens make a run of 75 s: longer than the 60 s of Traefik's own patience.
const proxyTokens = 1500

// A real ingress controller and gateway routes the chart's Ingress and HTTPRoute,
// streams, and cuts no run of more than a minute: at the entry point that waits
// as the chart's NOTES say. Control: at one that is left as Traefik has it, the
// same runs are cut.
func TestProxyCutsNoRun(t *testing.T) {
	t.Parallel()
	installController(t)
	n := kind.Namespace(t, cluster.Model)
	longAnswers(t, n)
	host := n.Name + ".example.com"
	n.Install(t, "ai-agent", small.And(chart.Values{
		"ingress.className":          `"traefik"`,
		"ingress.hosts":              fmt.Sprintf(`[{"host": "ingress.%s"}]`, host),
		"httpRoute.enabled":          "true",
		"httpRoute.parentRefs":       `[{"name": "traefik", "namespace": "traefik"}]`,
		"httpRoute.hostnames":        fmt.Sprintf(`["route.%s"]`, host),
		"networkPolicy.ingress.from": `[{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "traefik"}}}]`,
	}))
	const patient, hasty = "http://traefik.traefik", "http://traefik.traefik:81"
	for _, name := range []string{"ingress." + host, "route." + host} {
		for entry, isCut := range map[string]bool{patient: false, hasty: true} {
			t.Run(name+" at "+entry, func(t *testing.T) {
				t.Parallel()
				cluster.Eventually(t, "a way through the proxy", 2*time.Minute, func() error {
					_, err := n.Kubectl(t, "exec", "deployment/llm", "--", "/agent", "ask", "--url", entry, "--host", name, "--max-tokens=1", "hello")
					return err
				})
				client := prober.Start(t, n, prober.Run{URL: entry, Host: name, Task: "say hello", MaxTokens: proxyTokens})
				prober.AwaitWords(t, n, client) // it streams, and does not hold the answer back until it is whole
				answer, err := prober.Await(t, n, client)
				if isCut {
					require.ErrorContains(t, err, "the run was cut")
					return
				}
				require.NoError(t, err)
				assert.Len(t, strings.Fields(answer), proxyTokens)
			})
		}
	}
}

// installController puts Traefik into the cluster. `make test` has done so before,
// so that nothing compiles beside the tests.
func installController(t *testing.T) {
	t.Helper()
	command := exec.CommandContext(t.Context(), repo.Path("scripts", "ingress-controller.sh"))
	command.Env = append(os.Environ(), "CLUSTER="+kind.Name())
	out, err := command.CombinedOutput()
	require.NoError(t, err, string(out))
}
