package render

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/check"
)

// Every environment and fixture passes every check: the schemas of Kubernetes
// 1.34 to 1.37 and of the custom resources, Pod Security "restricted",
// kube-score, and the seed's best practices and pitfalls.
func TestFixturesPassEveryCheck(t *testing.T) {
	t.Parallel()
	versions, err := check.KubernetesVersions()
	require.NoError(t, err)
	assert.Len(t, versions, 4, "1.34 to 1.37")
	set, err := check.New()
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, set.Close()) })
	for _, file := range append(valuesFiles(t), filepath.Join(chart.Dir(), "values.yaml")) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			manifest, err := chart.Template(t, chart.Options{Files: []string{file}, APIVersions: chart.MonitoringAPIs})
			require.NoError(t, err)
			objects, err := chart.Decode(manifest)
			require.NoError(t, err)
			findings, err := set.Run(t.Context(), check.Subject{Manifest: manifest, Objects: objects})
			require.NoError(t, err)
			for _, finding := range findings {
				reason := accepted[filepath.Base(file)][finding.Check+" "+finding.Object]
				assert.NotEmpty(t, reason, "%+v", finding)
			}
		})
	}
}

// accepted are findings that a fixture is there to have, by check and object.
var accepted = map[string]map[string]string{
	"everything-values.yaml": {"schema BackendConfig/ai-agent": "GKE publishes its schema as Go code only"},
	"small-values.yaml": {
		"practice-disruption-budget Deployment/ai-agent": "the fixture switches the budget off",
		"kube-score Deployment/ai-agent":                 "the fixture switches the budget and the policy off",
		"kube-score Service/ai-agent-service":            "the fixture is of type NodePort",
	},
}

// A chart made for an older Kubernetes renders for each version that has schemas.
func TestRendersForEachVersion(t *testing.T) {
	t.Parallel()
	versions, err := check.KubernetesVersions()
	require.NoError(t, err)
	for _, version := range versions {
		manifest, err := chart.Template(t, chart.Options{KubeVersion: version})
		require.NoError(t, err)
		assert.NotEmpty(t, manifest)
	}
}
