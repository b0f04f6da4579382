// Package clone makes clones of this repository that a test may change.
package clone

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/repo"
)

// New returns the folder of a clone of this repository's commit.
func New(t *testing.T) string {
	t.Helper()
	return Of(t, repo.Path())
}

// Of returns the folder of a clone of the commit in another folder.
func Of(t *testing.T, top string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "clone")
	Git(t, top, "clone", "--quiet", "--depth=1", "file://"+top, to)
	return to
}

// Commit commits every change in a clone.
func Commit(t *testing.T, top string) {
	t.Helper()
	Git(t, top, "add", "--all")
	Git(t, top, "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "--quiet", "--message", "a")
}

// NewVersion puts a 9 before the version of the chart in a clone, and commits that.
func NewVersion(t *testing.T, top string) {
	t.Helper()
	for file, before := range map[string]string{"Chart.yaml": "\nversion: ", "CHANGELOG.md": "\n## "} {
		path := filepath.Join(top, "charts", "ai-agent", file)
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, bytes.ReplaceAll(content, []byte(before), []byte(before+"9")), 0o600))
	}
	Commit(t, top)
}

// Git runs git in a folder.
func Git(t *testing.T, top string, args ...string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "git", append([]string{"-C", top}, args...)...).CombinedOutput()
	require.NoError(t, err, "%s", out)
}
