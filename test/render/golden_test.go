package render

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
)

var update = flag.Bool("update", false, "write the current output into testdata")

// checksums change with every value that they depend on, and have their own tests.
var checksums = regexp.MustCompile(`(checksum/\w+): [0-9a-f]{64}`)

// Complete renders, so that the diff of a change shows all its effects.
func TestGolden(t *testing.T) {
	t.Parallel()
	for _, file := range charttest.ValuesFiles(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			manifest, err := charttest.Template(t, chart.Options{Files: []string{file}})
			require.NoError(t, err)
			golden(t, filepath.Join("golden", filepath.Base(file)), checksums.ReplaceAllString(manifest, "$1: …"))
		})
	}
}

// golden compares text with a file in testdata.
func golden(t *testing.T, name, text string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(want), text, "if this is intended: go test ./test/render -run 'TestGolden|TestMessages' -update")
}
