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

// off is a release of four pods with no autoscaler.
const off = lean + ",autoscaling.enabled=false,replicaCount=4"

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
			busy := "autoscaling.enabled=true,autoscaling.maxReplicas=6,args={serve,--fault=burn-cpu},resources.requests.cpu=10m,resources.limits.cpu=40m"
			out, err = n.RunHelm(t, helm, "upgrade", "ai-agent", chart.Dir(), "--reuse-values", "--wait", "--set", busy)
			require.NoError(t, err, out)
			cluster.Eventually(t, "the autoscaler's 6 pods", 4*time.Minute, func() error {
				if seen := counts(replicas()); slices.Max(seen) != 6 {
					return fmt.Errorf("replicas so far: %v", seen)
				}
				return nil
			})
			out, err = n.RunHelm(t, helm, "upgrade", "ai-agent", chart.Dir(), "--reuse-values", "--wait", "--set", "config.LOG_LEVEL=DEBUG")
			require.NoError(t, err, out)
			seen := counts(replicas()) // also of what the upgrade just did
			assert.True(t, slices.IsSorted(seen), "the number of pods only grew: %v", seen)
			assert.Equal(t, int32(4), seen[0])
			assert.Equal(t, int32(6), seen[len(seen)-1])
		})
	}
}

// Control: a chart that leaves `replicas` out under an autoscaler, as most do.
// Helm 3 then resets a running release to one pod.
func TestUpgradeWithoutTheLiveCountFallsToOnePod(t *testing.T) {
	t.Parallel()
	folder := broken(t, "_replicas.tpl", "{{ $count }}", "")
	n := kind.Namespace(t)
	out, err := n.Helm(t, "install", "ai-agent", folder, "--wait", "--set", off)
	require.NoError(t, err, out)
	replicas := recordReplicas(t, n)
	out, err = n.Helm(t, "upgrade", "ai-agent", folder, "--reuse-values", "--set", "autoscaling.enabled=true")
	require.NoError(t, err, out)
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
	out, err := n.Kubectl(t, "create", "secret", "generic", "mine", "--from-literal=OPENAI_API_KEY=old")
	require.NoError(t, err, out)
	n.Install(t, "ai-agent", small.With("secret.existingSecret", `"mine"`))
	before := uids(t, n)

	upgrade := func() {
		out, err := n.Helm(t, "upgrade", "ai-agent", chart.Dir(), "--reuse-values", "--wait", "--timeout=3m")
		require.NoError(t, err, out)
	}
	upgrade()
	assert.Equal(t, before, uids(t, n), "nothing was rotated")

	out, err = n.Kubectl(t, "patch", "secret", "mine", "--patch", `{"stringData": {"ROTATED": "yes"}}`)
	require.NoError(t, err, out)
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
