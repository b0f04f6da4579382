package live

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"example.com/ai-agent/test/agent/output"
	"example.com/ai-agent/test/internal/bench"
	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/cluster"
	"example.com/ai-agent/test/internal/observe"
	"example.com/ai-agent/test/internal/prober"
	"example.com/ai-agent/test/internal/profile"
	"example.com/ai-agent/test/internal/repo"
)

// A real ingress controller and gateway routes the chart's Ingress and HTTPRoute,
// streams, and interrupts no run of more than a minute, even while it is rolled out
// itself: at the entry point that is configured as the chart's NOTES advise. Control: at
// an entry point with Traefik's defaults, its rollout interrupts the same runs, and the
// agent counts them as abandoned.
func TestProxyInterruptsNoRun(t *testing.T) {
	t.Parallel()
	liveCluster().Lock(t, "traefik")
	installController(t)
	n := newNamespace(t)
	host := n.Name + ".example.com"
	n.Install(t, "ai-agent", profile.Two().And(behindTraefik).And(chart.Values{
		"ingress.hosts":       chart.List{chart.Map{"host": "ingress." + host}},
		"httpRoute.hostnames": chart.List{"route." + host},
	}))
	const advised, defaults = bench.AdvisedProxy, bench.DefaultProxy
	var runs []prober.Run
	for _, name := range []string{"ingress." + host, "route." + host} {
		for _, entry := range []string{advised, defaults} {
			runs = append(runs, prober.Run{URL: entry, Host: name, Task: "count", MaxTokens: runTokens, Settled: true})
		}
	}
	asking := prober.Listen(t, n, 8081, nil).Name
	for _, run := range runs {
		run.MaxTokens = 1
		cluster.Eventually(t, "a route through the proxy", 2*time.Minute, func(context.Context) error {
			asked, err := prober.AskFrom(t, n, asking, run)
			if err == nil && asked.Outcome != output.Done {
				err = fmt.Errorf("%s at %s: %s: %s", run.Host, run.URL, asked.Outcome, asked.Error)
			}
			return err
		})
	}
	agents := observe.Of(n, "ai-agent")
	before := agents.AllRuns(t, "completed")
	clients := prober.Start(t, n, runs...)
	for _, client := range clients {
		client.AwaitTokens(t) // the proxy streams: it does not buffer the answer
	}
	n.MustKubectl(t, "--namespace=traefik", "rollout", "restart", "deployment/traefik")
	for i, run := range runs {
		ended := clients[i].Await(t)[0]
		if run.URL == defaults {
			assert.Equal(t, output.Interrupted, ended.Outcome, "%s at %s", run.Host, run.URL)
			continue
		}
		assert.Equal(t, output.Done, ended.Outcome, "%s at %s: %s", run.Host, run.URL, ended.Error)
		assert.Equal(t, runTokens, ended.Tokens, "%s at %s", run.Host, run.URL)
	}
	assert.Equal(t, 2, agents.AllRuns(t, "completed")-before)
	assert.Equal(t, 2, agents.AllRuns(t, "abandoned"))
}

// behindTraefik routes clients through the proxy, by an Ingress and by an HTTPRoute.
var behindTraefik = chart.Values{
	"ingress.className":          "traefik",
	"httpRoute.enabled":          true,
	"httpRoute.parentRefs":       chart.List{chart.Map{"name": "traefik", "namespace": "traefik"}},
	"networkPolicy.ingress.from": chart.List{chart.Map{"namespaceSelector": chart.Map{"matchLabels": chart.Map{"kubernetes.io/metadata.name": "traefik"}}}},
}

// installController installs Traefik in a cluster that lacks it, such as that of `make
// up`. `make test` has installed it before, so that nothing is compiled during the tests.
func installController(t *testing.T) {
	t.Helper()
	_, err := liveCluster().Client().AppsV1().Deployments("traefik").Get(t.Context(), "traefik", metav1.GetOptions{})
	if err == nil {
		return
	}
	require.True(t, apierrors.IsNotFound(err), "%v", err)
	command := exec.CommandContext(t.Context(), repo.Path("scripts", "ingress-controller.sh"))
	command.Env = append(os.Environ(), "CLUSTER="+liveCluster().Name())
	out, err := command.CombinedOutput()
	require.NoError(t, err, string(out))
}
