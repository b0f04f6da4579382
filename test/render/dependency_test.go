package render

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
)

// As a dependency, the chart can be enabled and disabled, and its values are
// validated as strictly as on their own.
func TestAsADependency(t *testing.T) {
	t.Parallel()
	shop, err := chart.Load(charttest.Parent(t))
	require.NoError(t, err)

	manifest, err := shop.Render(chart.Options{Set: chart.Values{"global.region": "eu", "ai-agent.agent.maxRunSeconds": 600}})
	require.NoError(t, err)
	objects, err := chart.Decode(manifest)
	require.NoError(t, err)
	assert.EqualValues(t, 630, *charttest.One[*appsv1.Deployment](t, objects).Spec.Template.Spec.TerminationGracePeriodSeconds)

	manifest, err = shop.Render(chart.Options{Set: chart.Values{"ai-agent.enabled": false}})
	require.NoError(t, err)
	objects, err = chart.Decode(manifest)
	require.NoError(t, err)
	assert.Empty(t, objects)

	_, err = shop.Render(chart.Options{Set: chart.Values{"ai-agent.agent.maxRunSecond": 600}})
	require.ErrorContains(t, err, "at '/agent': additional properties 'maxRunSecond'")
}
