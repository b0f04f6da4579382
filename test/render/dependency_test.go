package render

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
	"example.com/ai-agent/test/internal/finding"
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

// An agent that calls another of its parent chart, and has a budget at least as large, is
// not reported; nor is one that only has a similar name in a variable.
func TestCallsAmongAgentsOfAParent(t *testing.T) {
	t.Parallel()
	shop, err := chart.Load(charttest.Parent(t, "planner", "writer"))
	require.NoError(t, err)
	for name, values := range map[string]chart.Values{
		"a larger budget": {"planner.config.NEXT_URL": "http://ai-agent-writer-service/v1", "planner.agent.maxRunSeconds": 900, "writer.agent.maxRunSeconds": 600},
		"another Service": {"planner.config.NEXT_URL": "http://my-ai-agent-writer-service/v1", "writer.agent.maxRunSeconds": 600},
		"no call":         {"writer.agent.maxRunSeconds": 600},
	} {
		findings, err := shop.Findings(chart.Options{Set: values})
		require.NoError(t, err)
		assert.NotContains(t, finding.IDs(findings), "calls-longer-agent", name)
	}
}
