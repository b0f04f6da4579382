package render

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	helmengine "helm.sh/helm/v3/pkg/engine"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"example.com/ai-agent/test/internal/chart"
)

// cluster has the number of replicas of each workload that a render can look up, by
// Kind/name.
type cluster map[string]int64

// GetClientFor returns what lookup asks for an object of a kind.
func (c cluster) GetClientFor(_, kind string) (dynamic.NamespaceableResourceInterface, bool, error) {
	return lookups{in: c, kind: kind}, true, nil
}

// lookups are those of one kind.
type lookups struct {
	dynamic.NamespaceableResourceInterface // nil: lookup only calls the methods below

	in   cluster
	kind string
}

func (l lookups) Namespace(string) dynamic.ResourceInterface { return l }

func (l lookups) Get(_ context.Context, name string, _ metav1.GetOptions, _ ...string) (*unstructured.Unstructured, error) {
	replicas, exists := l.in[l.kind+"/"+name]
	if !exists {
		return nil, apierrors.NewNotFound(schema.GroupResource{Resource: l.kind}, name)
	}
	return &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"replicas": replicas}}}, nil
}

// upgrade renders the workloads of an upgrade of the release in a cluster.
func (c cluster) upgrade(t *testing.T, values chart.Values) chart.Objects {
	t.Helper()
	loaded, err := loader.Load(chart.Dir())
	require.NoError(t, err)
	given, err := chart.Options{Set: values}.Given()
	require.NoError(t, err)
	release := chartutil.ReleaseOptions{Name: "ai-agent", Namespace: "default", IsUpgrade: true}
	capabilities := *chartutil.DefaultCapabilities
	capabilities.APIVersions = chartutil.VersionSet{"apps/v1"} // not all that ever existed, as offline
	all, err := chartutil.ToRenderValues(loaded, given, release, &capabilities)
	require.NoError(t, err)
	files, err := helmengine.RenderWithClientProvider(loaded, all, c)
	require.NoError(t, err)
	objects, err := chart.Decode(files["ai-agent/templates/deployment.yaml"] + "\n---\n" + files["ai-agent/templates/statefulset.yaml"])
	require.NoError(t, err)
	return objects
}

// A worker that an upgrade adds begins with the minimum of its autoscaler, whether the
// server is a Deployment or a StatefulSet. A preview that sees no workload omits the number.
func TestNewWorkerBeginsWithItsMinimum(t *testing.T) {
	t.Parallel()
	queue := worker("queue", chart.Map{"autoscaling": chart.Map{"enabled": true, "minReplicas": 4}, "persistence": chart.Map{"data": nil}})
	for name, tc := range map[string]struct {
		before cluster
		values chart.Values
		want   string
	}{
		"alongside a Deployment":                    {cluster{"Deployment/ai-agent": 3}, queue, "4"},
		"alongside a StatefulSet":                   {cluster{"StatefulSet/ai-agent": 3}, queue.And(perPod), "4"},
		"alongside a Deployment that becomes a set": {cluster{"Deployment/ai-agent": 3}, queue.And(perPod), "4"},
		"an existing worker":                        {cluster{"Deployment/ai-agent": 3, "Deployment/ai-agent-queue": 7}, queue, "7"},
		"a preview without access to the workloads": {nil, queue.And(perPod), noField},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, tc.want, field(t, tc.before.upgrade(t, tc.values), "Deployment/ai-agent-queue", ".spec.replicas"))
		})
	}
}
