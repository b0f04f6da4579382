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
)

var update = flag.Bool("update", false, "write what is rendered now into testdata/golden")

// checksums change with every value that they are made of: what they prove has
// tests of its own.
var checksums = regexp.MustCompile(`(checksum/\w+): [0-9a-f]{64}`)

// Whole renders, so that a change shows everything that it changes.
func TestGolden(t *testing.T) {
	t.Parallel()
	for _, file := range append(valuesFiles(t), filepath.Join(chart.Dir(), "values.yaml")) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			manifest, err := chart.Template(t, chart.Options{Files: []string{file}, APIVersions: chart.MonitoringAPIs})
			require.NoError(t, err)
			manifest = checksums.ReplaceAllString(manifest, "$1: …")
			golden := filepath.Join("testdata", "golden", filepath.Base(file))
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(manifest), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			assert.Equal(t, string(want), manifest, "if it is meant so: go test ./test/render -run TestGolden -update")
		})
	}
}
