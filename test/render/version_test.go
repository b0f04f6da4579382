package render

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/Masterminds/semver/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
	"example.com/ai-agent/test/internal/check"
	"example.com/ai-agent/test/internal/finding"
)

// The chart supports exactly the versions of Kubernetes whose schemas its objects
// are validated against, and newer ones.
func TestKubeVersionIsTheOldestWithSchemas(t *testing.T) {
	t.Parallel()
	oldest := kubernetesVersions(t)[0]
	metadata, err := charttest.Own(t).Metadata()
	require.NoError(t, err)
	assert.Equal(t, fmt.Sprintf(">=%d.%d.0-0", oldest.Major(), oldest.Minor()), metadata.KubeVersion)
}

func TestOlderKubernetesIsRefused(t *testing.T) {
	t.Parallel()
	oldest := kubernetesVersions(t)[0]
	_, err := charttest.Template(t, chart.Options{KubeVersion: fmt.Sprintf("v%d.%d.99", oldest.Major(), oldest.Minor()-1)})
	require.ErrorContains(t, err, "incompatible with Kubernetes")
	_, err = charttest.Template(t, chart.Options{KubeVersion: fmt.Sprintf("v%d.%d.0-gke.100", oldest.Major(), oldest.Minor())})
	require.NoError(t, err, "a provider's build of the oldest version")
}

// The oldest and the newest version get the same objects: those that
// TestFixturesPassEveryCheck validates against the schemas of every version.
func TestEveryVersionGetsTheSameObjects(t *testing.T) {
	t.Parallel()
	versions := kubernetesVersions(t)
	for _, file := range charttest.ValuesFiles(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			render := func(version *semver.Version) string {
				manifest, err := charttest.Template(t, chart.Options{Files: []string{file}, KubeVersion: "v" + version.String()})
				require.NoError(t, err)
				return manifest
			}
			assert.Equal(t, render(versions[0]), render(versions[len(versions)-1]))
		})
	}
}

// The schemas of the versions differ: a field that the newest has added is reported
// for the oldest.
func TestObjectsAreValidatedForTheOldestVersion(t *testing.T) {
	t.Parallel()
	set, err := check.New(charttest.Own(t))
	require.NoError(t, err)
	result, err := set.Validate(t.Context(), chart.Options{Set: chart.Values{"podSpec.schedulingGroup": chart.Map{"podGroupName": "a"}}})
	require.NoError(t, err)
	at := slices.IndexFunc(result.Findings, func(f finding.Finding) bool { return f.ID == "schema" })
	require.GreaterOrEqual(t, at, 0)
	versions := kubernetesVersions(t)
	oldest, newest := versions[0], versions[len(versions)-1]
	assert.Equal(t, "spec.template.spec.schedulingGroup", result.Findings[at].Path.String())
	assert.Contains(t, result.Findings[at].Problem, fmt.Sprintf("%d.%d", oldest.Major(), oldest.Minor()))
	assert.NotContains(t, result.Findings[at].Problem, fmt.Sprintf("%d.%d", newest.Major(), newest.Minor()))
}

// kubernetesVersions returns the versions that have schemas, the oldest first: no
// minor version is missing, and the last is the one that renders are for.
func kubernetesVersions(t *testing.T) []*semver.Version {
	t.Helper()
	var versions []*semver.Version
	for i, name := range check.KubernetesVersions() {
		version, err := semver.NewVersion(name)
		require.NoError(t, err)
		versions = append(versions, version)
		if i > 0 {
			require.Equal(t, versions[i-1].Minor()+1, version.Minor())
		}
	}
	newest := versions[len(versions)-1]
	require.Equal(t, fmt.Sprintf("v%d.%d", newest.Major(), newest.Minor()), chart.KubeVersion[:strings.LastIndex(chart.KubeVersion, ".")])
	return versions
}
