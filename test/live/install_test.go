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
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
	"example.com/ai-agent/test/internal/cluster"
	"example.com/ai-agent/test/internal/observe"
	"example.com/ai-agent/test/internal/prober"
	"example.com/ai-agent/test/internal/profile"
)

// The API server accepts every object of every environment and fixture: it enforces
// rules that no schema has.
func TestServerAcceptsEveryFixture(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	files, err := filepath.Glob(filepath.Join(chart.Dir(), "*", "*.yaml"))
	require.NoError(t, err)
	tried := 0
	for _, file := range files {
		if folder := filepath.Base(filepath.Dir(file)); folder != "environments" && folder != "ci" {
			continue
		}
		tried++
		out, err := n.Kubectl(t, "apply", "--dry-run=server", "--filename", list(t, charttest.Render(t, nil, file)))
		assert.NoError(t, err, "%s: %s", filepath.Base(file), out)
	}
	assert.Greater(t, tried, 5)

	// Control: a schedule that only the server can parse.
	bad := charttest.Render(t, chart.Values{"schedules.a": chart.Map{"schedule": "61 * * * *", "task": "a"}})
	out, err := n.Kubectl(t, "apply", "--dry-run=server", "--filename", list(t, bad))
	require.Error(t, err)
	assert.Contains(t, out, "61")
}

// list writes Kubernetes' own objects among these into a file, as one List. The test
// cluster lacks the APIs of the others, and the classes that the pods of `helm test`
// name: a template of a pod may name what does not exist.
func list(t *testing.T, objects chart.Objects) string {
	t.Helper()
	items := []runtime.Object{}
	for _, object := range objects {
		switch object := object.(type) {
		case *unstructured.Unstructured:
		case *corev1.Pod:
			items = append(items, &corev1.PodTemplate{
				TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "PodTemplate"},
				ObjectMeta: metav1.ObjectMeta{Name: object.Name},
				Template:   corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: object.Labels, Annotations: object.Annotations}, Spec: object.Spec},
			})
		default:
			items = append(items, object)
		}
	}
	data, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "List", "items": items})
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "list.json")
	require.NoError(t, os.WriteFile(file, data, 0o600))
	return file
}

// An uninstall removes everything that an install has created.
func TestUninstallLeavesNothing(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	var before []string
	cluster.Eventually(t, "what each namespace has: an account and a certificate", time.Minute, func(context.Context) (err error) {
		before, err = inventory(t, n)
		if err == nil && len(before) != 2 {
			err = fmt.Errorf("%v", before)
		}
		return err
	})
	n.Install(t, "ai-agent", profile.Small().With("schedules.a", schedule("@yearly", nil)).With("grafanaDashboard.enabled", true))
	installed, err := inventory(t, n)
	require.NoError(t, err)
	assert.Greater(t, len(installed), len(before)+8, "control: the inventory has what the install created")
	n.MustHelm(t, "uninstall", "ai-agent", "--wait", "--cascade=foreground", "--timeout=2m")
	left, err := inventory(t, n)
	require.NoError(t, err)
	assert.Equal(t, before, left)
}

// inventory lists every object of the namespace that can be listed, and the release's
// objects outside of namespaces: all except events, and what Kubernetes derives from
// pods.
func inventory(t *testing.T, n *cluster.Namespace) ([]string, error) {
	t.Helper()
	var objects []string
	for namespaced, selection := range map[string]string{"true": "", "false": "app.kubernetes.io/instance=ai-agent"} {
		out, err := n.Kubectl(t, "api-resources", "--namespaced="+namespaced, "--verbs=list", "--output=name")
		if err != nil {
			return nil, fmt.Errorf("%w: %s", err, out)
		}
		kinds := slices.DeleteFunc(strings.Fields(out), func(kind string) bool {
			return strings.HasPrefix(kind, "events") || strings.HasSuffix(kind, ".metrics.k8s.io") || strings.HasPrefix(kind, "endpoint") ||
				kind == "componentstatuses" // deprecated: kubectl prints a warning among the names
		})
		out, err = n.Kubectl(t, "get", strings.Join(kinds, ","), "--output=name", "--ignore-not-found", "--selector="+selection)
		if err != nil {
			return nil, fmt.Errorf("%w: %s", err, out)
		}
		objects = append(objects, strings.Fields(out)...)
	}
	slices.Sort(objects)
	return objects, nil
}

// Two releases share a namespace, and neither one's Service selects pods of the other.
// The second one has the longest name that helm accepts. Control: a Service whose
// selector lacks the release selects the pods of both.
func TestTwoReleasesInOneNamespace(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	for _, release := range []string{strings.Repeat("a", 53), "ai-agent"} {
		n.Install(t, release, profile.Single(nil))
	}
	first, second := observe.Of(n, "ai-agent"), observe.Of(n, strings.Repeat("a", 53))
	for _, release := range []*observe.Release{first, second} {
		endpoints, err := release.EndpointPods(t.Context())
		require.NoError(t, err)
		assert.Equal(t, []string{release.Pod(t).Name}, endpoints)
	}
	n.MustKubectl(t, "patch", "service", "ai-agent-service", "--type=json", "--patch", `[{"op": "remove", "path": "/spec/selector/app.kubernetes.io~1instance"}]`)
	cluster.Eventually(t, "an endpoint of each release", time.Minute, first.Endpoints(2))
}

// The chart works as a dependency of another chart.
func TestAsASubchart(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	values := chart.Values{"global.region": "eu"}
	for path, value := range profile.Single(chart.Values{"config.OPENAI_BASE_URL": n.ModelURL()}) {
		values = values.With("ai-agent."+path, value)
	}
	n.MustHelm(t, "install", "shop", charttest.Parent(t), "--wait", "--values", charttest.File(t, values))
	assert.Len(t, observe.Of(n, "shop").Pods(t), 1)
	const tokens = 7
	requireDone(t, prober.Ask(t, n, prober.Run{URL: "http://shop-ai-agent-service", Task: "say hello", MaxTokens: tokens}), tokens)
}
