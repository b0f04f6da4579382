package house

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/clone"
)

// `make adopt` replaces the addresses in every file: no old one remains, and Go, Helm and
// the tests of the house accept the result. It can be run again.
func TestAdopt(t *testing.T) {
	t.Parallel()
	top := clone.New(t)
	for _, company := range []string{"acme", "other"} {
		old := home(t, top)
		adopt(t, top, "github.com/"+company+"/ai-agent", "oci://registry."+company+".com/team", "security@"+company+".com")
		assert.Equal(t, map[string]string{
			"REPOSITORY": "github.com/" + company + "/ai-agent", "REGISTRY": "registry." + company + ".com/team", "CONTACT": "security@" + company + ".com",
		}, home(t, top))
		for _, value := range old {
			search := exec.CommandContext(t.Context(), "git", "-C", top, "grep", "-IlF", value)
			left, err := search.CombinedOutput()
			require.Equal(t, 1, search.ProcessState.ExitCode(), "%s is still in: %s %v", value, left, err)
		}
		clone.Commit(t, top)
	}
	c, err := chart.Load(filepath.Join(top, "charts", "ai-agent"))
	require.NoError(t, err)
	metadata, err := c.Metadata()
	require.NoError(t, err)
	assert.Equal(t, "https://github.com/other/ai-agent", metadata.Home)
	_, err = c.Render(chart.Options{})
	require.NoError(t, err)
	out, err := goIn(t, top, "list", "./...")
	require.NoError(t, err, out)
	assert.Contains(t, out, "github.com/other/ai-agent/test/render\n")
	out, err = goIn(t, top, "test", "./test/house", "-run", "TestReadmeHasTheCurrentVersions|TestArtifactHub|TestPackagePicture")
	require.NoError(t, err, out)
	unformatted, err := exec.CommandContext(t.Context(), "gofmt", "-l", filepath.Join(top, "test")).Output()
	require.NoError(t, err)
	assert.Empty(t, string(unformatted))
}

// Invalid addresses and uncommitted changes are refused before anything is changed.
func TestAdoptRefuses(t *testing.T) {
	t.Parallel()
	top := clone.New(t)
	for _, args := range [][]string{
		{"", "registry.acme.com/charts", "a@acme.com"},
		{"https://github.com/acme/ai-agent", "registry.acme.com/charts", "a@acme.com"},
		{"github.com/acme/ai-agent", "registry.acme.com/a|b", "a@acme.com"},
		{"github.com/acme/ai-agent", "registry.acme.com/a&b", "a@acme.com"},
		{"github.com/acme/ai&agent", "registry.acme.com/a", "a@acme.com"},
		{"github.com/acme/ai-agent", "registry.acme.com/charts", "acme.com"},
	} {
		out, err := tryAdopt(t, top, args...)
		require.Error(t, err, out)
		assert.Contains(t, out, "make adopt REPOSITORY=")
	}
	out, err := exec.CommandContext(t.Context(), "git", "-C", top, "status", "--porcelain").Output()
	require.NoError(t, err)
	assert.Empty(t, string(out))

	require.NoError(t, os.WriteFile(filepath.Join(top, "new"), nil, 0o600))
	refused, err := tryAdopt(t, top, "github.com/acme/ai-agent", "registry.acme.com/charts", "a@acme.com")
	require.Error(t, err)
	assert.Contains(t, refused, "uncommitted changes")
}

func adopt(t *testing.T, top string, args ...string) {
	t.Helper()
	out, err := tryAdopt(t, top, args...)
	require.NoError(t, err, out)
}

func tryAdopt(t *testing.T, top string, args ...string) (string, error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "make", "--silent", "-C", top, "adopt", "REPOSITORY="+args[0], "REGISTRY="+args[1], "CONTACT="+args[2])
	out, err := command.CombinedOutput()
	return string(out), err
}

// home returns the variables of ci/home.env.
func home(t *testing.T, top string) map[string]string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(top, "ci", "home.env"))
	require.NoError(t, err)
	values := map[string]string{}
	for line := range strings.Lines(string(content)) {
		if name, value, found := strings.Cut(line, "="); found {
			values[name] = strings.TrimSpace(value)
		}
	}
	return values
}

func goIn(t *testing.T, top string, args ...string) (string, error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", args...)
	command.Dir = top
	out, err := command.CombinedOutput()
	return string(out), err
}
