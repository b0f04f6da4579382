package live

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/release"

	"example.com/ai-agent/test/agent/output"
	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
	"example.com/ai-agent/test/internal/cluster"
	"example.com/ai-agent/test/internal/observe"
	"example.com/ai-agent/test/internal/prober"
	"example.com/ai-agent/test/internal/profile"
	"example.com/ai-agent/test/internal/repo"
)

// Every released chart upgrades to today's without interrupting a run, and so does the
// rollback. Control: runs that take longer than their budget are interrupted by both.
func TestUpgradeFromEachRelease(t *testing.T) {
	t.Parallel()
	packages, err := filepath.Glob(repo.Path("test", "testdata", "releases", "*.tgz"))
	require.NoError(t, err)
	require.NotEmpty(t, packages)
	image, err := repo.AgentImage() // older charts name an older one, which the cluster lacks
	require.NoError(t, err)
	_, tag, _ := strings.Cut(image, ":")
	metadata, err := charttest.Own(t).Metadata()
	require.NoError(t, err)
	today := metadata.Name + "-" + metadata.Version
	for _, released := range packages {
		t.Run(filepath.Base(released), func(t *testing.T) {
			t.Parallel()
			n := newNamespace(t).Chart(patient(t))
			n.Chart(patientCopy(t, released)).Install(t, "ai-agent", profile.Two().And(overBudget).And(patientRelease).With("image.tag", tag))
			manifest := n.MustHelm(t, "get", "manifest", "ai-agent")
			// A longer run must be interrupted: the pods' grace period is 30 s. The first release
			// has no other.
			control := prober.Run{URL: serviceURL, Task: "count", MaxTokens: longTokens}
			replacesPods := chart.Values{"podAnnotations.upgraded": "yes"} // a new chart alone may replace none
			replaceUnderLoad(t, n, 8, func() {
				out, err := n.TryUpgrade(t, "ai-agent", replacesPods, "--reset-then-reuse-values", "--wait", "--timeout=3m")
				require.NoError(t, err, out)
			}, control)
			assert.Contains(t, n.MustHelm(t, "get", "manifest", "ai-agent"), "helm.sh/chart: "+today)
			replaceUnderLoad(t, n, 8, func() { n.MustHelm(t, "rollback", "ai-agent", "1", "--wait", "--timeout=3m") }, control)
			assert.Equal(t, manifest, n.MustHelm(t, "get", "manifest", "ai-agent"))
		})
	}
}

// patientCopy returns a copy of a released chart. From 0.3.0 on, where envFrom cannot
// override the budget, its agents do not end longer runs themselves.
func patientCopy(t *testing.T, released string) string {
	t.Helper()
	folder := t.TempDir()
	require.NoError(t, chartutil.ExpandFile(folder, released))
	folder = filepath.Join(folder, "ai-agent")
	text, _ := os.ReadFile(filepath.Join(folder, "templates", "_config.tpl")) // older charts have none
	if strings.Contains(string(text), budget) {
		replaceIn(t, folder, "_config.tpl", budget, `"900"`)
	}
	return folder
}

// patientRelease has the same effect on older charts: there, envFrom overrides the budget.
var patientRelease = chart.Values{
	"extraObjects": chart.List{chart.Map{"apiVersion": "v1", "data": chart.Map{"MAX_RUN_SECONDS": "900"}, "kind": "ConfigMap", "metadata": chart.Map{"name": "longer"}}},
	"envFrom":      chart.List{chart.Map{"configMapRef": chart.Map{"name": "longer"}}},
}

// replaceUnderLoad replaces all pods of a release while two clients ask it for runs of
// 10 s: as many each as times says, which must last until the last pod is replaced. It
// fails unless every run is done, and every control interrupted.
func replaceUnderLoad(t *testing.T, n *cluster.Namespace, times int, replace func(), controls ...prober.Run) {
	t.Helper()
	const tokens = 10 * cluster.TokensPerSecond
	agents := observe.Of(n, "ai-agent")
	run := prober.Run{URL: serviceURL, Task: "count", MaxTokens: tokens, Times: times}
	clients := prober.Start(t, n, append([]prober.Run{run, run}, controls...)...)
	for _, client := range clients {
		client.AwaitTokens(t)
	}
	load := clients[:2]
	before, start := agents.UIDs(t), time.Now()
	replace()
	cluster.Eventually(t, "only new pods", time.Minute, agents.Replaced(before))
	t.Logf("all pods were replaced in %s", time.Since(start).Round(time.Second))
	for _, client := range load {
		assert.NoError(t, client.Asking(t.Context()), "the load has to last longer")
	}
	for _, client := range load {
		runs := client.Await(t)
		assert.Len(t, runs, times)
		requireDone(t, runs, tokens)
	}
	for _, control := range clients[2:] {
		assert.Equal(t, output.Interrupted, control.Await(t)[0].Outcome)
	}
	cluster.Eventually(t, "the end of every old pod", time.Minute, agents.Gone(before))
}

// Switching the autoscaler on removes no pod, nor does an upgrade of a release that it
// has scaled: with Helm 3, and with Helm 4, whose server-side apply may conflict.
func TestUpgradeKeepsTheAutoscalersPods(t *testing.T) {
	t.Parallel()
	eachHelm(t, func(t *testing.T, helm string) {
		n := newNamespace(t).Using(helm)
		n.Install(t, "ai-agent", profile.Unscaled(2*time.Minute))
		replicas := observe.Of(n, "ai-agent").RecordReplicas(t)
		n.Upgrade(t, "ai-agent", chart.Values{"autoscaling.enabled": true, "autoscaling.maxReplicas": 4})
		cluster.Eventually(t, "a fourth replica from the autoscaler", 4*time.Minute, replicas.Reached(4))
		n.Upgrade(t, "ai-agent", chart.Values{"args": chart.List{"serve"}}) // idle ones
		assert.Equal(t, []int32{3, 4}, observe.Counts(replicas.History(t)))
	})
}

// Control: a chart that omits `replicas` under an autoscaler, as most do. Helm 3 then
// resets a running release to one pod.
func TestUpgradeWithoutTheLiveCountFallsToOnePod(t *testing.T) {
	t.Parallel()
	n := newNamespace(t).Chart(broken(t, "_replicas.tpl", `{{ max (dig "spec" "replicas" 0 $live) $least }}`, ""))
	n.Install(t, "ai-agent", profile.Unscaled(2*time.Minute))
	replicas := observe.Of(n, "ai-agent").RecordReplicas(t)
	out, err := n.TryUpgrade(t, "ai-agent", chart.Values{"autoscaling.enabled": true}, "--reuse-values")
	require.NoError(t, err, out)
	cluster.Eventually(t, "a fall to one replica", time.Minute, replicas.Reached(1))
}

// Somebody has scaled the agent to zero, which switches the autoscaler off. An upgrade
// restores the autoscaler's minimum. Control: a chart that renders the live number.
func TestUpgradeRestoresTheMinimumFromZero(t *testing.T) {
	t.Parallel()
	n := withoutPods(t)
	n.InstallNoWait(t, "ai-agent", profile.Small())
	upgraded := func(n *cluster.Namespace) string {
		n.MustKubectl(t, "scale", "deployment/ai-agent", "--replicas=0")
		out, err := n.TryUpgrade(t, "ai-agent", nil, "--reuse-values")
		require.NoError(t, err, out)
		return replicasOf(t, n)
	}
	assert.Equal(t, "0", upgraded(n.Chart(broken(t, "_replicas.tpl", `{{ max (dig "spec" "replicas" 0 $live) $least }}`, `{{ dig "spec" "replicas" 0 $live }}`))), "control")
	assert.Equal(t, "2", upgraded(n))
}

// An upgrade that cannot succeed is rolled back, and the release serves meanwhile.
// Control: without the flag the broken revision stays.
func TestFailedUpgradeIsRolledBack(t *testing.T) {
	t.Parallel()
	require.NoError(t, repo.UseTools("helm4"))
	for helm, rollBack := range map[string]string{"helm": "--atomic", "helm4": "--rollback-on-failure"} {
		t.Run(helm, func(t *testing.T) {
			t.Parallel()
			n := newNamespace(t).Using(helm)
			n.Install(t, "ai-agent", profile.Single(nil))
			agents := observe.Of(n, "ai-agent")
			before := agents.UIDs(t)
			image := func() string {
				return n.MustKubectl(t, "get", "deployment", "ai-agent", "--output=jsonpath={..image}")
			}
			installed := image()
			const tokens = 60 * cluster.TokensPerSecond
			client := prober.Start(t, n, prober.Run{URL: serviceURL, Task: "count", MaxTokens: tokens})[0]
			client.AwaitTokens(t)

			unavailable := chart.Values{"image.tag": "nowhere"}
			out, err := n.TryUpgrade(t, "ai-agent", unavailable, "--reuse-values", rollBack, "--timeout=30s")
			require.Error(t, err, out)
			status, revision := statusOf(t, n)
			assert.Equal(t, release.StatusDeployed, status)
			assert.Equal(t, 3, revision, "the rollback has its own revision")
			assert.Equal(t, installed, image())
			assert.Equal(t, before, agents.UIDs(t), "the old pods were never removed")
			requireDone(t, client.Await(t), tokens)

			out, err = n.TryUpgrade(t, "ai-agent", unavailable, "--reuse-values", "--wait", "--timeout=30s")
			require.Error(t, err, out)
			status, revision = statusOf(t, n)
			assert.Equal(t, release.StatusFailed, status)
			assert.Equal(t, 4, revision)
			assert.Equal(t, "ai-agent:nowhere", image())
		})
	}
}

// statusOf returns a release's status and revision.
func statusOf(t *testing.T, n *cluster.Namespace) (release.Status, int) {
	t.Helper()
	var found struct {
		Info    struct{ Status release.Status }
		Version int
	}
	require.NoError(t, json.Unmarshal([]byte(n.MustHelm(t, "status", "ai-agent", "--output=json")), &found))
	return found.Info.Status, found.Version
}

// A rollback to the first revision restores the objects.
func TestRollbackToTheFirstRevision(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	n.Install(t, "ai-agent", profile.Single(nil))
	first := n.MustHelm(t, "get", "manifest", "ai-agent")
	portAndModel := func() string {
		return n.MustKubectl(t, "get", "service/ai-agent-service", "configmap/ai-agent-config", "--output=jsonpath={.items[0].spec.ports[0].port} {.items[1].data.MODEL_NAME}")
	}
	n.Upgrade(t, "ai-agent", chart.Values{"config.MODEL_NAME": "other", "service.port": 8080})
	assert.Equal(t, "8080 other", portAndModel(), "control: the upgrade changes the objects")
	n.MustHelm(t, "rollback", "ai-agent", "1", "--wait")
	assert.Equal(t, first, n.MustHelm(t, "get", "manifest", "ai-agent"))
	assert.Equal(t, "80 gpt-4o-mini", portAndModel())
}
