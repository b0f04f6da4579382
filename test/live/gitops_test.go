package live

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
	"example.com/ai-agent/test/internal/cluster"
	"example.com/ai-agent/test/internal/observe"
	"example.com/ai-agent/test/internal/profile"
)

// The field managers of Argo CD's server-side apply and of Flux's helm-controller.
const (
	argoCD = "argocd-controller"
	flux   = "helm-controller"
)

// withoutPods is a namespace in which objects exist, but no pod: nothing runs that the
// test does not need.
func withoutPods(t *testing.T) *cluster.Namespace {
	t.Helper()
	n := newNamespace(t)
	n.MustKubectl(t, "create", "quota", "no-pods", "--hard=pods=0")
	return n
}

// sync renders the chart without a cluster and applies it, as Argo CD does.
func sync(t *testing.T, n *cluster.Namespace, values chart.Values) {
	t.Helper()
	manifest, err := charttest.Template(t, chart.Options{Set: profile.Small().And(values)})
	require.NoError(t, err)
	apply(t, n, argoCD, applied(t, n, manifest))
}

func apply(t *testing.T, n *cluster.Namespace, manager, file string, flags ...string) string {
	t.Helper()
	return n.MustKubectl(t, append([]string{"apply", "--server-side", "--force-conflicts", "--field-manager=" + manager, "--filename", file}, flags...)...)
}

// applied writes into a file what Argo CD applies of a manifest: all but the pods of
// `helm test`. Kinds that the cluster does not have are skipped by name.
func applied(t *testing.T, n *cluster.Namespace, manifest string) string {
	t.Helper()
	served := strings.Fields(n.MustKubectl(t, "api-versions"))
	documents, err := chart.Documents([]byte(manifest))
	require.NoError(t, err)
	var items []any
	for _, document := range documents {
		var object unstructured.Unstructured
		require.NoError(t, yaml.Unmarshal(document, &object.Object))
		switch {
		case object.GetAnnotations()["helm.sh/hook"] != "":
		case !slices.Contains(served, object.GetAPIVersion()):
			t.Logf("skipped, because the cluster does not have its kind: %s %s", object.GetAPIVersion(), object.GetKind())
		default:
			items = append(items, object.Object)
		}
	}
	data, err := json.Marshal(chart.Map{"apiVersion": "v1", "kind": "List", "items": items})
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "objects.json")
	require.NoError(t, os.WriteFile(file, data, 0o600))
	return file
}

// replicasOf returns the number of pods that the Deployment asks for.
func replicasOf(t *testing.T, n *cluster.Namespace) string {
	t.Helper()
	return n.MustKubectl(t, "get", "deployment", "ai-agent", "--output=jsonpath={.spec.replicas}")
}

// With replicaCount null, switching the autoscaler on in Argo CD, or a sync of what it
// has scaled, keeps the number of pods. Control: a number that Argo CD has applied falls
// to one when the autoscaler is switched on, unless it was handed over.
func TestArgoCDKeepsTheNumberOfPods(t *testing.T) {
	t.Parallel()
	fixed := func(count any) chart.Values { return profile.OnePod().With("replicaCount", count) }
	scaled := func(count any) chart.Values {
		return chart.Values{"replicaCount": count, "autoscaling.minReplicas": 3}
	}

	n := withoutPods(t)
	sync(t, n, fixed(nil))
	n.MustKubectl(t, "scale", "deployment/ai-agent", "--replicas=3")
	sync(t, n, fixed(nil))
	assert.Equal(t, "3", replicasOf(t, n))
	recorded := observe.Of(n, "ai-agent").RecordReplicas(t)
	sync(t, n, scaled(nil))
	n.MustKubectl(t, "scale", "deployment/ai-agent", "--replicas=5") // as the autoscaler does
	sync(t, n, scaled(nil).With("config.LOG_LEVEL", "DEBUG"))
	assert.Equal(t, "5", replicasOf(t, n))
	assert.NotContains(t, observe.Counts(recorded.History(t)), int32(1))

	n = withoutPods(t)
	sync(t, n, fixed(3))
	recorded = observe.Of(n, "ai-agent").RecordReplicas(t)
	sync(t, n, scaled(3))
	cluster.Eventually(t, "control: one replica", time.Minute, recorded.Reached(1))

	n = withoutPods(t)
	sync(t, n, fixed(3))
	handOver(t, n)
	recorded = observe.Of(n, "ai-agent").RecordReplicas(t)
	sync(t, n, scaled(3))
	assert.Equal(t, "3", replicasOf(t, n))
	assert.NotContains(t, observe.Counts(recorded.History(t)), int32(1))
}

// handOver makes another manager own the number of pods, as README says.
func handOver(t *testing.T, n *cluster.Namespace) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "replicas.yaml")
	manifest := "{apiVersion: apps/v1, kind: Deployment, metadata: {name: ai-agent}, spec: {replicas: " + replicasOf(t, n) + "}}"
	require.NoError(t, os.WriteFile(file, []byte(manifest), 0o600))
	n.MustKubectl(t, "apply", "--server-side", "--field-manager=handover", "--filename", file)
}

// Flux corrects what differs between the cluster and a server-side dry run of the
// release's manifest. With replicaCount null, it leaves the number that the autoscaler has
// set, even after an upgrade. Control: with a number, it resets it.
func TestFluxKeepsTheNumberOfPods(t *testing.T) {
	t.Parallel()
	corrected := func(count any) (before, after string) {
		n := withoutPods(t)
		n.InstallNoWait(t, "ai-agent", profile.Small().With("replicaCount", count))
		// Without a number, Kubernetes starts with one pod, which the autoscaler corrects: it
		// would overwrite what the test sets before that.
		cluster.Eventually(t, "the autoscaler's minimum", time.Minute, func(context.Context) error {
			if now := replicasOf(t, n); now != "2" {
				return fmt.Errorf("the Deployment has %s replicas", now)
			}
			return nil
		})
		n.MustKubectl(t, "scale", "deployment/ai-agent", "--replicas=5") // as the autoscaler does
		before = drift(t, n)
		out, err := n.TryUpgrade(t, "ai-agent", chart.Values{"config.LOG_LEVEL": "DEBUG"}, "--reuse-values")
		require.NoError(t, err, out)
		assert.Equal(t, "5", replicasOf(t, n))
		n.MustKubectl(t, "scale", "deployment/ai-agent", "--replicas=6")
		return before, drift(t, n)
	}
	before, after := corrected(nil)
	assert.Equal(t, "5", before)
	assert.Equal(t, "6", after)
	before, after = corrected(3)
	assert.Equal(t, "2", before, "control: the number of the install")
	assert.Equal(t, "5", after, "control: the number at the upgrade")
}

// drift returns the number of pods to which Flux would set the Deployment.
func drift(t *testing.T, n *cluster.Namespace) string {
	t.Helper()
	file := applied(t, n, n.MustHelm(t, "get", "manifest", "ai-agent"))
	return apply(t, n, flux, file, "--dry-run=server", `--output=jsonpath={.items[?(@.kind=="Deployment")].spec.replicas}`)
}

// A second apply of the same render changes no object of any environment and fixture.
// The API server decides: it knows its defaults. Control: another value does.
func TestSecondApplyChangesNothing(t *testing.T) {
	t.Parallel()
	files := charttest.ValuesFiles(t)
	require.Greater(t, len(files), 6)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			n := withoutPods(t)
			render := func(set chart.Values) string {
				manifest, err := charttest.Template(t, chart.Options{Files: []string{file}, Set: set})
				require.NoError(t, err)
				return applied(t, n, manifest)
			}
			diff := func(file string) (string, error) {
				return n.Kubectl(t, "diff", "--server-side", "--force-conflicts", "--field-manager="+argoCD, "--filename", file)
			}
			same := render(nil)
			apply(t, n, argoCD, same)
			cluster.Eventually(t, "no difference", time.Minute, func(context.Context) error { // controllers may write between diff's two reads
				out, err := diff(same)
				if err != nil {
					err = fmt.Errorf("%w: %s", err, out)
				}
				return err
			})
			out, err := diff(render(chart.Values{"config.LOG_LEVEL": "other"}))
			require.Error(t, err, "control")
			assert.Contains(t, out, "LOG_LEVEL: other")
		})
	}
}
