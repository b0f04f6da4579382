package live

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/cluster"
	"example.com/ai-agent/test/internal/prober"
	"example.com/ai-agent/test/internal/repo"
)

// connected keeps a release out of the way of those that run beside it; small does
// without Redis and PostgreSQL too.
var (
	connected = chart.Values{"resources.requests.cpu": `"50m"`, "resources.requests.memory": `"64Mi"`}
	small     = connected.And(chart.Values{"config.REDIS_URL": `""`, "config.DATABASE_URL": `""`})
	two       = small.And(chart.Values{"autoscaling.enabled": "false", "replicaCount": "2"})
	one       = chart.Values{"autoscaling.enabled": "false", "replicaCount": "1", "podDisruptionBudget.enabled": "false"}
)

// alone is a release of one small pod.
func alone(values chart.Values) chart.Values { return small.And(one).And(values) }

// lean is the same for helm's --set.
const lean = "resources.requests.cpu=50m,resources.requests.memory=64Mi,config.REDIS_URL=,config.DATABASE_URL=," +
	"autoscaling.enabled=false,replicaCount=1,podDisruptionBudget.enabled=false"

// leanOf is lean with the shared model, for a test that asks for runs.
func leanOf(n *cluster.Namespace) string { return lean + ",config.OPENAI_BASE_URL=" + n.ModelURL() }

// `helm test` in a namespace that enforces "restricted": service, config, policy.
func TestHelmTest(t *testing.T) {
	t.Parallel()
	n := kind.Namespace(t)
	n.Install(t, "ai-agent", connected.And(one))
	out := n.MustHelm(t, "test", "ai-agent")
	assert.Equal(t, 3, strings.Count(out, "Phase:          Succeeded"), out)

	// Control: a policy with a hole, and `helm test` sees it.
	n.MustHelm(t, "upgrade", "ai-agent", chart.Dir(), "--reuse-values", "--wait", "--set-json",
		`networkPolicy.extraEgress=[{"to": [{"namespaceSelector": {}}], "ports": [{"port": 9153}]}]`)
	out, err := n.Helm(t, "test", "ai-agent", "--filter=name=ai-agent-test-policy")
	require.Error(t, err)
	assert.Contains(t, out, "ai-agent-test-policy failed")
}

// A release of the chart as it was one change ago becomes one of today's.
func TestUpgradeFromTheChartBefore(t *testing.T) {
	t.Parallel()
	before := chartBefore(t)
	n := kind.Namespace(t)
	n.MustHelm(t, "install", "ai-agent", before, "--wait", "--set", leanOf(n))
	n.MustHelm(t, "upgrade", "ai-agent", chart.Dir(), "--reset-then-reuse-values", "--wait")
	answer, err := prober.Ask(t, n, prober.Run{URL: serviceURL, Task: "are you new"})
	require.NoError(t, err)
	assert.Contains(t, answer, "are you new")
}

// chartBefore takes the chart out of the commit before the last one that
// changed it.
func chartBefore(t *testing.T) string {
	t.Helper()
	git := func(args ...string) []byte {
		cmd := exec.CommandContext(t.Context(), "git", args...)
		cmd.Dir = repo.Path()
		out, err := cmd.Output()
		require.NoError(t, err, "git %v: the repository's history is needed", args)
		return out
	}
	commits := strings.Fields(string(git("log", "--max-count=2", "--format=%H", "--", "charts/ai-agent")))
	require.Len(t, commits, 2, "commits that changed the chart")
	archive := filepath.Join(t.TempDir(), "chart.tar")
	require.NoError(t, os.WriteFile(archive, git("archive", commits[1], "charts/ai-agent"), 0o600))
	folder := t.TempDir()
	require.NoError(t, exec.CommandContext(t.Context(), "tar", "-xf", archive, "-C", folder).Run())
	return filepath.Join(folder, "charts", "ai-agent")
}
