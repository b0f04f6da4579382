package render

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"

	"example.com/ai-agent/test/internal/chart"
)

// The chart as a part of another: on by its condition, off by it, and its values
// no less strict.
func TestAsADependency(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	require.NoError(t, os.CopyFS(filepath.Join(parent, "charts", "ai-agent"), os.DirFS(chart.Dir())))
	require.NoError(t, os.WriteFile(filepath.Join(parent, "Chart.yaml"), []byte(`apiVersion: v2
name: shop
version: 1.0.0
dependencies:
  - name: ai-agent
    version: ">=0.1.0"
    condition: ai-agent.enabled
`), 0o600))
	shop, err := chart.Load(parent)
	require.NoError(t, err)

	manifest, err := shop.Render(chart.Options{Set: chart.Values{"global.region": `"eu"`, "ai-agent.agent.maxRunSeconds": "600"}})
	require.NoError(t, err)
	objects, err := chart.Decode(manifest)
	require.NoError(t, err)
	assert.EqualValues(t, 630, *chart.One[*appsv1.Deployment](t, objects).Spec.Template.Spec.TerminationGracePeriodSeconds)

	manifest, err = shop.Render(chart.Options{Set: chart.Values{"ai-agent.enabled": "false"}})
	require.NoError(t, err)
	objects, err = chart.Decode(manifest)
	require.NoError(t, err)
	assert.Empty(t, objects)

	_, err = shop.Render(chart.Options{Set: chart.Values{"ai-agent.agent.maxRunSecond": "600"}})
	require.ErrorContains(t, err, "at '/agent': additional properties 'maxRunSecond'")
}
