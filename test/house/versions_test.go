package house

import (
	"go/version"
	"os"
	"path/filepath"
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
	chartVersion  = regexp.MustCompile(`(?:validate@v|ai-agent-|/ai-agent:|ai-agent --version |^ +version: |ref: \{tag: )([0-9]+\.[0-9]+\.[0-9]+)`)
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
	assert.Equal(t, 9, mentioned, "mentions of the chart's version")

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

// Artifact Hub shows the image of the sample agent as it is published: in the registry of
// ci/home.env, in the chart's appVersion.
func TestArtifactHubNamesTheImage(t *testing.T) {
	t.Parallel()
	metadata, err := charttest.Own(t).Metadata()
	require.NoError(t, err)
	registry := home(t, repo.Path())["REGISTRY"]
	assert.Contains(t, metadata.Annotations["artifacthub.io/images"], "image: "+registry+"/agent:"+metadata.AppVersion+"\n")
	assert.Len(t, metadata.Maintainers, 1)
}

// GitHub's workflows install the Go version of the toolchain line in go.mod, and Go gets
// no other there. No module of the tools may need a later one.
func TestToolsNeedNoLaterGo(t *testing.T) {
	t.Parallel()
	modules, err := filepath.Glob(repo.Path("ci", "*", "go.mod"))
	require.NoError(t, err)
	require.NotEmpty(t, modules)
	installed := goVersion(t, repo.Path("go.mod"), "toolchain go")
	for _, module := range modules {
		assert.LessOrEqual(t, version.Compare(goVersion(t, module, "go "), installed), 0, module)
	}
}

// goVersion returns the version in the line of a go.mod that begins with a keyword, as
// go/version has it.
func goVersion(t *testing.T, file, keyword string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(content), "\n"+keyword)
	require.True(t, found, file)
	number, _, _ := strings.Cut(rest, "\n")
	return "go" + number
}
