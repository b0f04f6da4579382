package live

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/cluster"
	"example.com/ai-agent/test/internal/repo"
)

// off is a release of three pods with no autoscaler, busy long enough for one to see.
const off = lean + ",replicaCount=3,args={serve,--fault=burn-cpu=2m},resources.requests.cpu=15m,resources.limits.cpu=40m"

// Switching the autoscaler on takes no pod away, nor does an upgrade of a
// release that it has scaled: with Helm 3, and with Helm 4, which applies on the
// server's side and may conflict.
func TestUpgradeKeepsTheAutoscalersPods(t *testing.T) {
	t.Parallel()
	require.NoError(t, repo.UseTools("helm4"))
	for _, helm := range []string{"helm", "helm4"} {
		t.Run(helm, func(t *testing.T) {
			t.Parallel()
			n := kind.Namespace(t)
			out, err := n.RunHelm(t, helm, "install", "ai-agent", chart.Dir(), "--wait", "--set", off)
			require.NoError(t, err, out)

			replicas := recordReplicas(t, n)
			out, err = n.RunHelm(t, helm, "upgrade", "ai-agent", chart.Dir(), "--reuse-values", "--wait", "--set", "autoscaling.enabled=true,autoscaling.maxReplicas=4")
			require.NoError(t, err, out)
			cluster.Eventually(t, "the autoscaler's fourth pod", 4*time.Minute, func() error {
				if seen := counts(replicas()); slices.Max(seen) != 4 {
					return fmt.Errorf("replicas so far: %v", seen)
				}
				return nil
			})
			out, err = n.RunHelm(t, helm, "upgrade", "ai-agent", chart.Dir(), "--reuse-values", "--wait", "--set", "args={serve}") // idle ones
			require.NoError(t, err, out)
			seen := counts(replicas()) // also of what the upgrade just did
			assert.Equal(t, []int32{3, 4}, seen)
		})
	}
}

// Control: a chart that leaves `replicas` out under an autoscaler, as most do.
// Helm 3 then resets a running release to one pod.
func TestUpgradeWithoutTheLiveCountFallsToOnePod(t *testing.T) {
	t.Parallel()
	folder := broken(t, "_replicas.tpl", "{{ $count }}", "")
	n := kind.Namespace(t)
	n.MustHelm(t, "install", "ai-agent", folder, "--wait", "--set", off)
	replicas := recordReplicas(t, n)
	n.MustHelm(t, "upgrade", "ai-agent", folder, "--reuse-values", "--set", "autoscaling.enabled=true")
	cluster.Eventually(t, "a fall to one pod", time.Minute, func() error {
		if seen := counts(replicas()); slices.Min(seen) != 1 {
			return fmt.Errorf("replicas so far: %v", seen)
		}
		return nil
	})
}

// broken copies the chart with a defect: in a template, from becomes to.
func broken(t *testing.T, template, from, to string) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "ai-agent")
	require.NoError(t, os.CopyFS(folder, os.DirFS(chart.Dir())))
	file := filepath.Join(folder, "templates", template)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(text), from)
	require.NoError(t, os.WriteFile(file, []byte(strings.Replace(string(text), from, to, 1)), 0o600))
	return folder
}

// A Secret of the user's that was rotated reaches the pods with the next
// `helm upgrade`; one that was not replaces no pod.
func TestRotatedSecretRollsThePods(t *testing.T) {
	t.Parallel()
	n := kind.Namespace(t)
	n.MustKubectl(t, "create", "secret", "generic", "mine", "--from-literal=OPENAI_API_KEY=old")
	n.Install(t, "ai-agent", alone(nil).With("secret.existingSecret", `"mine"`))
	before := uids(t, n)

	upgrade := func() {
		n.MustHelm(t, "upgrade", "ai-agent", chart.Dir(), "--reuse-values", "--wait", "--timeout=3m")
	}
	upgrade()
	assert.Equal(t, before, uids(t, n), "nothing was rotated")

	n.MustKubectl(t, "patch", "secret", "mine", "--patch", `{"stringData": {"ROTATED": "yes"}}`)
	require.ErrorContains(t, inAgent(t, n, "--env=ROTATED"), "the environment has no ROTATED", "a running pod does not know yet")
	upgrade()
	awaitOthers(t, n, before)
	require.NoError(t, inAgent(t, n, "--env=ROTATED"))
}

// awaitOthers waits until every serving pod is another than those before.
func awaitOthers(t *testing.T, n *cluster.Namespace, before []types.UID) {
	t.Helper()
	cluster.Eventually(t, "only new pods", time.Minute, func() error {
		for _, uid := range uids(t, n) {
			if slices.Contains(before, uid) {
				return errors.New("an old one is still there")
			}
		}
		return nil
	})
}

// uids names the serving pods that are not about to end.
func uids(t *testing.T, n *cluster.Namespace) []types.UID {
	t.Helper()
	var uids []types.UID
	for _, pod := range n.Pods(t, "ai-agent") {
		if pod.DeletionTimestamp == nil {
			uids = append(uids, pod.UID)
		}
	}
	slices.Sort(uids)
	return uids
}
