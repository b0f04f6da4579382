package live

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/cluster"
	"example.com/ai-agent/test/internal/prober"
	"example.com/ai-agent/test/internal/repo"
)

// Everything that an install brings, an uninstall takes.
func TestUninstallLeavesNothing(t *testing.T) {
	t.Parallel()
	n := kind.Namespace(t)
	var before []string
	cluster.Eventually(t, "what each namespace has", time.Minute, func() error {
		before = inventory(t, n)
		if len(before) != 2 {
			return fmt.Errorf("not an account and a certificate, but %v", before)
		}
		return nil
	})
	n.Install(t, "ai-agent", small.With("schedules.a", schedule("@yearly", "")).With("grafanaDashboard.enabled", "true"))
	assert.Greater(t, len(inventory(t, n)), len(before)+8, "control: what the install brought is seen")
	n.MustHelm(t, "uninstall", "ai-agent", "--wait", "--cascade=foreground", "--timeout=2m")
	assert.Equal(t, before, inventory(t, n))
}

// inventory lists every object of the namespace that can be listed, and those of the
// whole cluster that are the release's: all but events, and what follows from pods
// by itself.
func inventory(t *testing.T, n *cluster.Namespace) []string {
	t.Helper()
	list := func(namespaced string, selection ...string) []string {
		var out string
		cluster.Eventually(t, "every API, that of metrics too", time.Minute, func() (err error) {
			out, err = n.Kubectl(t, "api-resources", "--namespaced="+namespaced, "--verbs=list", "--output=name")
			return err
		})
		kinds := slices.DeleteFunc(strings.Fields(out), func(kind string) bool {
			return strings.HasPrefix(kind, "events") || strings.HasSuffix(kind, ".metrics.k8s.io") || strings.HasPrefix(kind, "endpoint") ||
				kind == "componentstatuses" // deprecated, and says so among the names
		})
		return strings.Fields(n.MustKubectl(t, append([]string{"get", strings.Join(kinds, ","), "--output=name", "--ignore-not-found"}, selection...)...))
	}
	objects := append(list("true"), list("false", "--selector=app.kubernetes.io/instance=ai-agent")...)
	slices.Sort(objects)
	return objects
}

// An upgrade that cannot work is taken back, and the release serves all the while.
// Control: without the flag the broken revision stays.
func TestFailedUpgradeIsTakenBack(t *testing.T) {
	t.Parallel()
	require.NoError(t, repo.UseTools("helm4"))
	for helm, takeBack := range map[string]string{"helm": "--atomic", "helm4": "--rollback-on-failure"} {
		t.Run(helm, func(t *testing.T) {
			t.Parallel()
			n := kind.Namespace(t)
			out, err := n.RunHelm(t, helm, "install", "ai-agent", chart.Dir(), "--wait", "--set", leanOf(n))
			require.NoError(t, err, out)
			before := uids(t, n)
			upgrade := func(flag string) (status, image string) {
				out, err := n.RunHelm(t, helm, "upgrade", "ai-agent", chart.Dir(), "--reuse-values", flag, "--timeout=30s", "--set", "image.tag=nowhere")
				require.Error(t, err, out)
				status, err = n.RunHelm(t, helm, "status", "ai-agent")
				require.NoError(t, err, status)
				return status, n.MustKubectl(t, "get", "deployment", "ai-agent", "--output=jsonpath={..image}")
			}

			client := prober.Start(t, n, prober.Run{URL: serviceURL, Task: "are you there", MaxTokens: 60 * cluster.TokensPerSecond})[0]
			prober.AwaitWords(t, n, client)
			status, image := upgrade(takeBack)
			assert.Contains(t, status, "STATUS: deployed\nREVISION: 3", "the rollback is a revision of its own")
			assert.Equal(t, prober.Image(t), image)
			assert.Equal(t, before, uids(t, n), "the old pods never went")
			_, err = prober.Await(t, n, client)
			require.NoError(t, err)

			status, image = upgrade("--wait")
			assert.Contains(t, status, "STATUS: failed\nREVISION: 4")
			assert.Equal(t, "ai-agent:nowhere", image)
		})
	}
}

// A rollback to the first revision makes the objects what they were.
func TestRollbackToTheFirstRevision(t *testing.T) {
	t.Parallel()
	n := kind.Namespace(t)
	n.Install(t, "ai-agent", alone(nil))
	first := n.MustHelm(t, "get", "manifest", "ai-agent")
	portAndModel := func() string {
		return n.MustKubectl(t, "get", "service/ai-agent-service", "configmap/ai-agent-config", "--output=jsonpath={.items[0].spec.ports[0].port} {.items[1].data.MODEL_NAME}")
	}
	n.MustHelm(t, "upgrade", "ai-agent", chart.Dir(), "--reuse-values", "--wait", "--set", "config.MODEL_NAME=other,service.port=8080")
	assert.Equal(t, "8080 other", portAndModel(), "control: the upgrade is seen")
	n.MustHelm(t, "rollback", "ai-agent", "1", "--wait")
	assert.Equal(t, first, n.MustHelm(t, "get", "manifest", "ai-agent"))
	assert.Equal(t, "80 gpt-4o-mini", portAndModel())
}

// Two releases share a namespace, and neither serves with the other's pods. The
// second has the longest name that helm takes. Control: a Service that selects the
// chart's pods, but not the release's, has both.
func TestTwoReleasesInOneNamespace(t *testing.T) {
	t.Parallel()
	n := kind.Namespace(t)
	long := strings.Repeat("a", 53)
	n.Install(t, "ai-agent", alone(nil))
	n.Install(t, long, alone(nil))
	for release, service := range map[string]string{"ai-agent": "ai-agent-service", long: long + "-service"} {
		slices, err := n.Client.DiscoveryV1().EndpointSlices(n.Name).List(t.Context(), metav1.ListOptions{LabelSelector: "kubernetes.io/service-name=" + service})
		require.NoError(t, err)
		var targets []string
		for _, slice := range slices.Items {
			for _, endpoint := range slice.Endpoints {
				targets = append(targets, endpoint.TargetRef.Name)
			}
		}
		var pods []string
		for _, pod := range n.Pods(t, release) {
			pods = append(pods, pod.Name)
		}
		assert.ElementsMatch(t, pods, targets, release)
	}
	n.MustKubectl(t, "patch", "service", "ai-agent-service", "--type=json", "--patch", `[{"op": "remove", "path": "/spec/selector/app.kubernetes.io~1instance"}]`)
	cluster.Eventually(t, "an endpoint of each release", time.Minute, func() error { return endpoints(t, n, 2) })
}

// The chart as a part of another one.
func TestAsASubchart(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	require.NoError(t, os.CopyFS(filepath.Join(parent, "charts", "ai-agent"), os.DirFS(chart.Dir())))
	require.NoError(t, os.WriteFile(filepath.Join(parent, "Chart.yaml"), []byte(`apiVersion: v2
name: shop
version: 1.0.0
dependencies:
  - name: ai-agent
    version: ">=0.1.0"
    condition: ai-agent.enabled
`), 0o600))
	n := kind.Namespace(t)
	n.MustHelm(t, "install", "shop", parent, "--wait", "--set", "global.region=eu",
		"--set", "ai-agent."+strings.ReplaceAll(leanOf(n), ",", ",ai-agent."))
	assert.Len(t, n.Pods(t, "shop"), 1)
	_, err := prober.Ask(t, n, prober.Run{URL: "http://shop-ai-agent-service", Task: "are you there"})
	require.NoError(t, err)
}
