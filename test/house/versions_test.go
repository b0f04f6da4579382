package house

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/charttest"
	"example.com/ai-agent/test/internal/repo"
	"example.com/ai-agent/test/schemas"
)

var (
	chartVersion  = regexp.MustCompile(`(?:validate@v|ai-agent-|charts/ai-agent:|ai-agent --version |^ +version: )([0-9]+\.[0-9]+\.[0-9]+)`)
	supportedRows = regexp.MustCompile(`(?m)^\| Kubernetes \| ([0-9., ]+) \|`)
)

// README repeats two versions, so that its commands can be pasted: that of the chart,
// which is set in Chart.yaml, and those of Kubernetes that have schemas.
func TestReadmeHasTheCurrentVersions(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(repo.Path("README.md"))
	require.NoError(t, err)
	metadata, err := charttest.Own(t).Metadata()
	require.NoError(t, err)
	mentioned := 0
	for line := range strings.Lines(string(page)) {
		for _, match := range chartVersion.FindAllStringSubmatch(line, -1) {
			mentioned++
			assert.Equal(t, metadata.Version, match[1], line)
		}
	}
	assert.Equal(t, 7, mentioned, "mentions of the chart's version")

	var supported []string
	for _, row := range supportedRows.FindAllStringSubmatch(string(page), -1) {
		supported = append(supported, strings.Split(row[1], ", ")...)
	}
	slices.Sort(supported)
	var validated []string
	for _, version := range schemas.KubernetesVersions() {
		validated = append(validated, schemas.Minor(version))
	}
	assert.Equal(t, validated, supported)
}

// Artifact Hub shows the image that the chart runs by default: where it is published, in
// the version of the chart.
func TestArtifactHubNamesTheImage(t *testing.T) {
	t.Parallel()
	metadata, err := charttest.Own(t).Metadata()
	require.NoError(t, err)
	assert.Contains(t, metadata.Annotations["artifacthub.io/images"], "/agent:"+metadata.AppVersion+"\n")
	assert.Len(t, metadata.Maintainers, 1)
}
