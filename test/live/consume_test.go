package live

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/chartutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
	"example.com/ai-agent/test/internal/clone"
	"example.com/ai-agent/test/internal/ociregistry"
	"example.com/ai-agent/test/internal/prober"
	"example.com/ai-agent/test/internal/profile"
	"example.com/ai-agent/test/internal/release"
	"example.com/ai-agent/test/internal/repo"
)

// A chart in an OCI registry can be installed by its version, upgraded by its digest and
// rolled back, with Helm 3 and 4. A missing version or digest is an error.
func TestChartFromAnOCIRegistry(t *testing.T) {
	t.Parallel()
	repository, version, byDigest := published(t)
	byVersion := repository + "/ai-agent"
	eachHelm(t, func(t *testing.T, helm string) {
		n := newNamespace(t).Using(helm)
		n.Chart(byVersion).InstallNoWait(t, "ai-agent", profile.Single(nil), "--version="+version, "--plain-http", "--wait", "--timeout=3m")
		out, err := n.Chart(byDigest).TryUpgrade(t, "ai-agent", chart.Values{"config.LOG_LEVEL": "DEBUG"}, "--reuse-values", "--plain-http", "--wait", "--timeout=5m")
		require.NoError(t, err, out)
		assert.Contains(t, n.MustHelm(t, "get", "manifest", "ai-agent"), "LOG_LEVEL: DEBUG")
		n.MustHelm(t, "rollback", "ai-agent", "1", "--wait", "--timeout=5m")
		assert.NotContains(t, n.MustHelm(t, "get", "manifest", "ai-agent"), "LOG_LEVEL: DEBUG")

		out, err = n.Chart(byVersion).TryUpgrade(t, "ai-agent", nil, "--reuse-values", "--plain-http", "--version=99.0.0")
		require.Error(t, err)
		assert.Contains(t, out, "not found")
		other := byVersion + "@sha256:" + strings.Repeat("0", 64)
		out, err = n.Chart(other).TryUpgrade(t, "ai-agent", nil, "--reuse-values", "--plain-http")
		require.Error(t, err)
		assert.Contains(t, out, "not found")
	})
}

// A repository over HTTP has two versions: the older one is installed, and upgraded
// to the newer one.
func TestChartFromAnHTTPRepository(t *testing.T) {
	t.Parallel()
	folder, older, newer := packagedTwice(t)
	server := httptest.NewServer(http.FileServer(http.Dir(folder)))
	t.Cleanup(server.Close)
	eachHelm(t, func(t *testing.T, helm string) {
		n := newNamespace(t).Using(helm).Chart("test/ai-agent")
		own := t.TempDir()
		mine := []string{"--repository-config=" + filepath.Join(own, "repositories.yaml"), "--repository-cache=" + own}
		n.MustHelm(t, append([]string{"repo", "add", "test", server.URL}, mine...)...)
		found := n.MustHelm(t, append([]string{"search", "repo", "ai-agent", "--versions"}, mine...)...)
		assert.Regexp(t, `(?s)\s`+newer+`\s.*\s`+older+`\s`, found)
		n.InstallNoWait(t, "ai-agent", profile.Single(nil), append(mine, "--version="+older, "--wait", "--timeout=3m")...)
		out, err := n.TryUpgrade(t, "ai-agent", nil, append(mine, "--reuse-values", "--wait", "--timeout=3m")...)
		require.NoError(t, err, out)
		assert.Contains(t, n.MustHelm(t, "list"), "ai-agent-"+newer)
	})
}

// Each environment in the package can be installed from it, upgraded to the next version
// and rolled back without interrupting a run. Control: TestUpgradeFromEachRelease, where
// the same load notices interrupted runs.
func TestEnvironmentsFromThePackage(t *testing.T) {
	t.Parallel()
	folder, older, newer := packagedTwice(t)
	archive := func(version string) string { return filepath.Join(folder, "ai-agent-"+version+".tgz") }
	require.NoError(t, chartutil.ExpandFile(folder, archive(older)))
	environments, err := filepath.Glob(filepath.Join(folder, "ai-agent", "environments", "*.yaml"))
	require.NoError(t, err)
	require.Len(t, environments, 4)
	values := profile.Small().And(chart.Values{
		"resources.requests.cpu":     "200m",                                                                           // so that the load adds no pod
		"networkPolicy.extraIngress": chart.List{chart.Map{"from": chart.List{chart.Map{"podSelector": chart.Map{}}}}}, // the clients of the test
	})
	for _, environment := range environments {
		t.Run(filepath.Base(environment), func(t *testing.T) {
			t.Parallel()
			n := newNamespace(t)
			n.MustKubectl(t, "create", "secret", "generic", "agent-secrets", "--from-literal=OPENAI_API_KEY=a")
			n.Chart(archive(older)).InstallNoWait(t, "ai-agent", values, "--values="+environment, "--set=config.OPENAI_BASE_URL="+n.ModelURL(), "--wait", "--timeout=3m")
			replaceUnderLoad(t, n, 16, func() {
				out, err := n.Chart(archive(newer)).TryUpgrade(t, "ai-agent", chart.Values{"config.NEXT": "true"}, "--reuse-values", "--wait", "--timeout=5m")
				require.NoError(t, err, out)
			})
			assert.Contains(t, n.MustHelm(t, "list"), "ai-agent-"+newer)
			replaceUnderLoad(t, n, 16, func() { n.MustHelm(t, "rollback", "ai-agent", "1", "--wait", "--timeout=5m") })
		})
	}
}

// An umbrella chart has three agents, which are aliases of one dependency in an OCI
// registry. They are installed, upgraded and removed together; a fourth is disabled by
// its condition.
func TestUmbrellaFromAnOCIRegistry(t *testing.T) {
	t.Parallel()
	repository, version, _ := published(t)
	agents := []string{"research", "support", "coder"}
	eachHelm(t, func(t *testing.T, helm string) {
		n := newNamespace(t).Using(helm)
		umbrella := umbrellaOf(t, repository, version, append(agents, "writer")...)
		n.MustHelm(t, "dependency", "update", umbrella, "--plain-http")
		require.NoError(t, os.RemoveAll(filepath.Join(umbrella, "charts")))
		n.MustHelm(t, "dependency", "build", umbrella, "--plain-http") // as CI does, from Chart.lock
		values := chart.Values{"global.region": "eu", "writer.enabled": false}
		for _, agent := range agents {
			for path, value := range profile.Single(chart.Values{"config.OPENAI_BASE_URL": n.ModelURL()}) {
				values = values.With(agent+"."+path, value)
			}
		}
		n.MustHelm(t, "install", "team", umbrella, "--wait", "--timeout=3m", "--values", charttest.File(t, values))
		const tokens = 7
		for _, agent := range agents {
			requireDone(t, prober.Ask(t, n, prober.Run{URL: "http://team-" + agent + "-service", Task: "say hello", MaxTokens: tokens}), tokens)
		}
		n.MustHelm(t, "upgrade", "team", umbrella, "--wait", "--timeout=5m", "--values", charttest.File(t, values.With("coder.config.LOG_LEVEL", "DEBUG")))
		assert.Equal(t, 1, strings.Count(n.MustHelm(t, "get", "manifest", "team"), "LOG_LEVEL: DEBUG"))
		deployments, err := n.Client().AppsV1().Deployments(n.Name).List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		var names []string
		for _, deployment := range deployments.Items {
			names = append(names, deployment.Name)
		}
		assert.ElementsMatch(t, []string{"team-research", "team-support", "team-coder"}, names)
		n.MustHelm(t, "uninstall", "team", "--wait", "--cascade=foreground", "--timeout=3m")
		deployments, err = n.Client().AppsV1().Deployments(n.Name).List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		assert.Empty(t, deployments.Items)
	})
}

// umbrellaOf writes a chart that depends on the chart ai-agent of a repository, under each
// alias, with the condition ALIAS.enabled.
func umbrellaOf(t *testing.T, repository, version string, aliases ...string) string {
	t.Helper()
	folder := t.TempDir()
	metadata := "apiVersion: v2\nname: team\nversion: 1.0.0\ndependencies:\n"
	for _, alias := range aliases {
		metadata += fmt.Sprintf("  - {name: ai-agent, version: %s, repository: %q, alias: %s, condition: %s.enabled}\n", version, repository, alias, alias)
	}
	require.NoError(t, os.WriteFile(filepath.Join(folder, "Chart.yaml"), []byte(metadata), 0o600))
	return folder
}

// published publishes the chart of the commit to a registry on this machine without TLS.
// It returns the address of the repository, the chart's version, and its address by digest.
func published(t *testing.T) (repository, version, byDigest string) {
	t.Helper()
	require.NoError(t, repo.UseTools("registry"))
	repository = "oci://" + ociregistry.Start(t, false).Host + "/charts"
	from := t.TempDir()
	require.NoError(t, release.Packaging{Root: clone.New(t), To: from}.Run(t.Context(), t.Output()))
	var printed strings.Builder
	require.NoError(t, release.Publishing{From: from, To: repository, ChartOnly: true, PlainHTTP: true}.Run(t.Context(), &printed))
	return repository, versionIn(t, from), "oci://" + strings.TrimSpace(printed.String())
}

// packagedTwice packages the chart of the commit, and the same chart as a newer version.
func packagedTwice(t *testing.T) (folder, older, newer string) {
	t.Helper()
	top, folder := clone.New(t), t.TempDir()
	require.NoError(t, release.Packaging{Root: top, To: folder}.Run(t.Context(), t.Output()))
	older = versionIn(t, folder)
	clone.NewVersion(t, top)
	require.NoError(t, release.Packaging{Root: top, To: folder}.Run(t.Context(), t.Output()))
	return folder, older, "9" + older
}

// versionIn returns the version of the only archive in a folder.
func versionIn(t *testing.T, folder string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(folder, "ai-agent-*.tgz"))
	require.NoError(t, err)
	require.Len(t, found, 1)
	return strings.TrimSuffix(strings.TrimPrefix(filepath.Base(found[0]), "ai-agent-"), ".tgz")
}
