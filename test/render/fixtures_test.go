package render

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
	"example.com/ai-agent/test/internal/check"
)

// Every values file of the chart passes every check: the schemas of all supported
// versions of Kubernetes and of the custom resources, Pod Security "restricted",
// kube-score, and the specification's best practices and pitfalls.
func TestFixturesPassEveryCheck(t *testing.T) {
	t.Parallel()
	set, err := check.New(charttest.Own(t))
	require.NoError(t, err)
	for _, file := range charttest.ValuesFiles(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			manifest, err := charttest.Template(t, chart.Options{Files: []string{file}})
			require.NoError(t, err)
			objects, err := chart.Decode(manifest)
			require.NoError(t, err)
			findings, err := set.Run(t.Context(), check.Subject{Manifest: manifest, Objects: objects})
			require.NoError(t, err)
			for _, finding := range findings {
				reason := intended[filepath.Base(file)][finding.ID+" "+finding.Object]
				assert.NotEmpty(t, reason, "%+v", finding)
			}
		})
	}
}

// intended are the findings for which a fixture exists, by check and object.
var intended = map[string]map[string]string{
	"everything-values.yaml": {"schema BackendConfig/ai-agent": "GKE publishes its schema as Go code only"},
	"small-values.yaml": {
		"practice-disruption-budget Deployment/ai-agent": "the fixture disables the budget",
		"kube-score Deployment/ai-agent":                 "the fixture disables the budget and the policy",
		"kube-score Service/ai-agent-service":            "the fixture is of type NodePort",
	},
}

// A render depends on nothing but the values: no time, no random number.
func TestRenderIsReproducible(t *testing.T) {
	t.Parallel()
	values := filepath.Join(chart.Dir(), "ci", "everything-values.yaml")
	first, err := charttest.Template(t, chart.Options{Files: []string{values}})
	require.NoError(t, err)
	second, err := charttest.Template(t, chart.Options{Files: []string{values}})
	require.NoError(t, err)
	assert.Equal(t, first, second)
}
