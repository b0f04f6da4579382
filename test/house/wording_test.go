package house

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/repo"
)

// userFacing are the files and folders that users read.
var userFacing = []string{
	".github", "Makefile", "README.md", "charts/ai-agent", "ci/DESIGN.md", "scripts", "test/DESIGN.md", "test/agent",
	"test/internal/check", "test/internal/report", "test/validate", // whose texts the command validate prints
}

// forbidden are wordings that must not occur there, and what to write instead.
var forbidden = []struct{ wording, instead string }{
	{`\bthe seed\b`, "the specification, or the default"},
	{`\banew\b`, "again"},
	{`\bbeside\b`, "next to, alongside"},
	{`\bof yours\b`, "your"},
	{`\b(is|are|ever) cut\b`, "interrupted"},
	{`\bis let be\b`, "is tolerated"},
	{`\btold to end\b`, "terminating, on SIGTERM"},
	{`\bwins over\b`, "takes precedence over"},
	{registry, "registry.example.com, or an image name without a host"},
}

// registry matches the hosts of public image registries.
const registry = `\b((docker|gcr|ghcr|nvcr|quay|registry[.]k8s|azurecr)[.]io|mcr[.]microsoft[.]com|public[.]ecr[.]aws|pkg[.]dev)\b`

// exempt are files in which a wording, or all of them if it is empty, may occur.
var exempt = map[string]struct{ wording, why string }{
	".github/CONTRIBUTING.md":     {"", "it lists wordings to avoid"},
	"scripts/engine.sh":           {registry, "a Debian package has this name"},
	"scripts/build-node-image.sh": {registry, "containerd stores images under names with a host"},
}

func TestWordingIsPlain(t *testing.T) {
	used := map[string]bool{}
	for _, root := range userFacing {
		require.NoError(t, filepath.WalkDir(repo.Path(root), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil || !utf8.Valid(text) {
				return err
			}
			file, err := filepath.Rel(repo.Path(), path)
			checkWording(t, file, string(text), used)
			return err
		}))
	}
	for file, exemption := range exempt {
		assert.True(t, used[file], "%s needs no exemption any more (%s): remove it", file, exemption.why)
	}
}

func checkWording(t *testing.T, file, text string, used map[string]bool) {
	t.Helper()
	for _, f := range forbidden {
		// A wording may continue on the next line, after the sign of a comment.
		pattern := regexp.MustCompile("(?i)" + strings.ReplaceAll(f.wording, " ", `[\s/#*]+`))
		for _, at := range pattern.FindAllStringIndex(text, -1) {
			if e, ok := exempt[file]; ok && (e.wording == "" || e.wording == f.wording) {
				used[file] = true
				continue
			}
			line := 1 + strings.Count(text[:at[0]], "\n")
			t.Errorf("%s:%d: %q: write %s", file, line, text[at[0]:at[1]], f.instead)
		}
	}
}
