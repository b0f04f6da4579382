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
	fluxCD = "helm-controller"
)

// withoutPods is a namespace in which objects exist, but no pod: nothing runs that the
// test does not need.
func withoutPods(t *testing.T) *cluster.Namespace {
	t.Helper()
	n := newNamespace(t)
	n.MustKubectl(t, "create", "quota", "no-pods", "--hard=pods=0")
	return n
}

// rendered writes what Argo CD applies of the chart, rendered without a cluster, into a
// file.
func rendered(t *testing.T, n *cluster.Namespace, values chart.Values) string {
	t.Helper()
	manifest, err := charttest.Template(t, chart.Options{Set: profile.Small().And(values)})
	require.NoError(t, err)
	return applied(t, n, manifest)
}

func apply(t *testing.T, n *cluster.Namespace, manager, file string, flags ...string) string {
	t.Helper()
	return n.MustKubectl(t, append(serverSide("apply", manager, file), flags...)...)
}

// serverSide returns the arguments of `kubectl apply` or `kubectl diff`.
func serverSide(command, manager, file string) []string {
	return []string{command, "--server-side", "--force-conflicts", "--field-manager=" + manager, "--filename", file}
}

// same fails while the file differs from the cluster: controllers may write between the
// two reads of `kubectl diff`.
func same(t *testing.T, n *cluster.Namespace, file string) cluster.Condition {
	return func(context.Context) error {
		out, err := n.Kubectl(t, serverSide("diff", argoCD, file)...)
		if err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		return err
	}
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
	t.Run("client-side apply (Argo CD's default)", func(t *testing.T) {
		t.Parallel()
		clientSide := func(n *cluster.Namespace, values chart.Values) {
			n.MustKubectl(t, "apply", "--filename", rendered(t, n, values))
		}
		keepsTheNumberOfPods(t, clientSide, func(n *cluster.Namespace, next chart.Values) {
			values := charttest.File(t, profile.Small().And(next))
			deployment := n.MustHelm(t, "template", "ai-agent", chart.Dir(), "--values="+values, "--show-only=templates/deployment.yaml")
			n.MustKubectl(t, "apply", "set-last-applied", "--filename", applied(t, n, deployment))
		})
	})
	t.Run("server-side apply", func(t *testing.T) {
		t.Parallel()
		serverSide := func(n *cluster.Namespace, values chart.Values) {
			apply(t, n, argoCD, rendered(t, n, values))
		}
		keepsTheNumberOfPods(t, serverSide, func(n *cluster.Namespace, _ chart.Values) { handOver(t, n) })
	})
}

// keepsTheNumberOfPods applies values with sync. handOver is the step in the README before a
// sync with the values that it gets.
func keepsTheNumberOfPods(t *testing.T, sync, handOver func(n *cluster.Namespace, values chart.Values)) {
	t.Helper()
	fixed := func(count any) chart.Values { return profile.OnePod().With("replicaCount", count) }
	scaled := func(count any) chart.Values {
		return chart.Values{"replicaCount": count, "autoscaling.minReplicas": 3}
	}

	n := withoutPods(t)
	sync(n, fixed(nil))
	n.MustKubectl(t, "scale", "deployment/ai-agent", "--replicas=3")
	sync(n, fixed(nil))
	assert.Equal(t, "3", replicasOf(t, n))
	recorded := observe.Of(n, "ai-agent").RecordReplicas(t)
	sync(n, scaled(nil))
	n.MustKubectl(t, "scale", "deployment/ai-agent", "--replicas=5") // as the autoscaler does
	sync(n, scaled(nil).With("config.LOG_LEVEL", "DEBUG"))
	assert.Equal(t, "5", replicasOf(t, n))
	assert.NotContains(t, observe.Counts(recorded.History(t)), int32(1))

	n = withoutPods(t)
	sync(n, fixed(3))
	recorded = observe.Of(n, "ai-agent").RecordReplicas(t)
	sync(n, scaled(3))
	cluster.Eventually(t, "control: one replica", time.Minute, recorded.Reached(1))

	n = withoutPods(t)
	sync(n, fixed(3))
	handOver(n, scaled(3))
	recorded = observe.Of(n, "ai-agent").RecordReplicas(t)
	sync(n, scaled(3))
	assert.Equal(t, "3", replicasOf(t, n))
	assert.NotContains(t, observe.Counts(recorded.History(t)), int32(1))
}

// Argo CD renders a chart in an OCI registry without a cluster, applies it, and prunes the
// rest. No sync leaves a diff: the install, an autoscaler, a new secret.revision, the return
// to the first values. Control: before each sync there is one.
func TestArgoCDFromAnOCIRegistry(t *testing.T) {
	t.Parallel()
	repository, version, _ := published(t)
	first := profile.Single(chart.Values{"replicaCount": nil})
	scaled := first.With("autoscaling.enabled", true)
	syncs := []chart.Values{first, scaled, scaled.With("secret.revision", "2"), first}
	eachHelm(t, func(t *testing.T, helm string) {
		n := withoutPods(t).Using(helm)
		var objects [][]string // after each sync
		for i, values := range syncs {
			printed := n.MustHelm(t, "template", "ai-agent", repository+"/ai-agent", "--version="+version, "--plain-http", "--values="+charttest.File(t, values))
			_, manifest, _ := strings.Cut(printed, "---\n") // what precedes it tells where the chart is from
			file := applied(t, n, manifest)
			_, err := n.Kubectl(t, serverSide("diff", argoCD, file)...)
			require.Error(t, err, "control: sync %d changes something", i)
			apply(t, n, argoCD, file)
			prune(t, n, file)
			cluster.Eventually(t, "no difference", time.Minute, same(t, n, file))
			objects = append(objects, objectsOf(t, n))
		}
		const autoscaler = "horizontalpodautoscaler.autoscaling/ai-agent-hpa"
		assert.NotContains(t, objects[0], autoscaler)
		assert.Contains(t, objects[1], autoscaler)
		assert.Equal(t, objects[0], objects[3])
	})
}

// objectsOf returns the names of the release's objects that a values file can switch.
func objectsOf(t *testing.T, n *cluster.Namespace) []string {
	t.Helper()
	const kinds = "deployments,services,serviceaccounts,configmaps,secrets,networkpolicies,horizontalpodautoscalers,poddisruptionbudgets"
	return strings.Fields(n.MustKubectl(t, "get", kinds, "--selector=app.kubernetes.io/instance=ai-agent", "--output=name"))
}

// prune deletes the objects of the release that a file no longer has. `kubectl apply` does
// not, after a server-side apply.
func prune(t *testing.T, n *cluster.Namespace, file string) {
	t.Helper()
	wanted := strings.Fields(n.MustKubectl(t, "get", "--filename", file, "--output=name"))
	for _, object := range objectsOf(t, n) {
		if !slices.Contains(wanted, object) {
			n.MustKubectl(t, "delete", object)
		}
	}
}

// handOver makes another manager own the number of pods.
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
	return apply(t, n, fluxCD, file, "--dry-run=server", `--output=jsonpath={.items[?(@.kind=="Deployment")].spec.replicas}`)
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
			again := render(nil)
			apply(t, n, argoCD, again)
			cluster.Eventually(t, "no difference", time.Minute, same(t, n, again))
			out, err := n.Kubectl(t, serverSide("diff", argoCD, render(chart.Values{"config.LOG_LEVEL": "other"}))...)
			require.Error(t, err, "control")
			assert.Contains(t, out, "LOG_LEVEL: other")
		})
	}
}
