package live

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"example.com/ai-agent/test/internal/chart"
)

// The API server takes every object of every environment and fixture: it knows
// rules that no schema has.
func TestServerTakesEveryFixture(t *testing.T) {
	t.Parallel()
	n := kind.Namespace(t)
	files, err := filepath.Glob(filepath.Join(chart.Dir(), "*", "*.yaml"))
	require.NoError(t, err)
	tried := 0
	for _, file := range files {
		if folder := filepath.Base(filepath.Dir(file)); folder != "environments" && folder != "ci" {
			continue
		}
		tried++
		out, err := n.Kubectl(t, "apply", "--dry-run=server", "--filename", list(t, chart.Render(t, nil, file)))
		assert.NoError(t, err, "%s: %s", filepath.Base(file), out)
	}
	assert.Greater(t, tried, 5)

	// Control: a schedule that only the server can read.
	bad := chart.Render(t, chart.Values{"schedules.a": `{"schedule": "61 * * * *", "task": "a"}`})
	out, err := n.Kubectl(t, "apply", "--dry-run=server", "--filename", list(t, bad))
	require.Error(t, err)
	assert.Contains(t, out, "61")
}

// list writes Kubernetes' own objects among these into a file, as one List. The
// test cluster has none of the others' APIs.
func list(t *testing.T, objects chart.Objects) string {
	t.Helper()
	items := []runtime.Object{}
	for _, object := range objects {
		if _, custom := object.(*unstructured.Unstructured); !custom {
			items = append(items, object)
		}
	}
	data, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "List", "items": items})
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "list.json")
	require.NoError(t, os.WriteFile(file, data, 0o600))
	return file
}
