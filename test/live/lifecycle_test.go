package live

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

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
	before := inventory(t, n)
	n.Install(t, "ai-agent", small.With("schedules.a", schedule("@yearly", "")).With("grafanaDashboard.enabled", "true"))
	during := inventory(t, n)
	assert.Greater(t, len(during), len(before)+8, "the install brought objects")
	n.MustHelm(t, "uninstall", "ai-agent", "--wait", "--cascade=foreground", "--timeout=2m")
	assert.Equal(t, before, inventory(t, n))
}

// inventory lists every object of the namespace that can be listed, but events and
// what follows from pods by itself.
func inventory(t *testing.T, n *cluster.Namespace) []string {
	t.Helper()
	kinds := slices.DeleteFunc(strings.Fields(n.MustKubectl(t, "api-resources", "--namespaced", "--verbs=list", "--output=name")), func(kind string) bool {
		return strings.HasPrefix(kind, "events") || strings.HasPrefix(kind, "pods.metrics") || strings.HasPrefix(kind, "endpoint")
	})
	out := n.MustKubectl(t, "get", strings.Join(kinds, ","), "--output=name", "--ignore-not-found")
	objects := slices.DeleteFunc(strings.Fields(out), func(object string) bool { return !strings.Contains(object, "ai-agent") })
	slices.Sort(objects)
	return objects
}

// An upgrade that cannot work is taken back, and the release serves all the while.
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
			out, err = n.RunHelm(t, helm, "upgrade", "ai-agent", chart.Dir(), "--reuse-values", takeBack, "--timeout=30s", "--set", "image.tag=nowhere")
			require.Error(t, err, out)
			status, err := n.RunHelm(t, helm, "status", "ai-agent")
			require.NoError(t, err, status)
			assert.Contains(t, status, "STATUS: deployed")
			assert.Contains(t, status, "REVISION: 3", "the rollback is a revision of its own")
			assert.Equal(t, before, uids(t, n), "the old pods never went")
			_, err = prober.Ask(t, n, prober.Run{URL: serviceURL, Task: "are you there"})
			require.NoError(t, err)
		})
	}
}

// A rollback to the first revision makes the objects what they were.
func TestRollbackToTheFirstRevision(t *testing.T) {
	t.Parallel()
	n := kind.Namespace(t)
	n.Install(t, "ai-agent", alone(nil))
	first, err := n.Helm(t, "get", "manifest", "ai-agent")
	require.NoError(t, err)
	n.MustHelm(t, "upgrade", "ai-agent", chart.Dir(), "--reuse-values", "--wait", "--set", "config.MODEL_NAME=other,service.port=8080")
	n.MustHelm(t, "rollback", "ai-agent", "1", "--wait")
	again, err := n.Helm(t, "get", "manifest", "ai-agent")
	require.NoError(t, err)
	assert.Equal(t, first, again)
	service, err := n.Client.CoreV1().Services(n.Name).Get(t.Context(), "ai-agent-service", metav1.GetOptions{})
	require.NoError(t, err)
	assert.EqualValues(t, 80, service.Spec.Ports[0].Port)
	config, err := n.Client.CoreV1().ConfigMaps(n.Name).Get(t.Context(), "ai-agent-config", metav1.GetOptions{})
	require.NoError(t, err)
	assert.Equal(t, "gpt-4o-mini", config.Data["MODEL_NAME"])
}

// Two releases share a namespace, and neither serves with the other's pods. The
// second has the longest name that helm takes.
func TestTwoReleasesInOneNamespace(t *testing.T) {
	t.Parallel()
	n := kind.Namespace(t)
	long := strings.Repeat("a", 53)
	n.Install(t, "ai-agent", two)
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
	assert.Len(t, n.Pods(t, "shop"), 2)
	_, err := prober.Ask(t, n, prober.Run{URL: "http://shop-ai-agent-service", Task: "are you there"})
	require.NoError(t, err)
}
