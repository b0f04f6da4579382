package render

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"ai-agent/test/internal/chart"
)

// Both Helms make the same objects of the same values.
func TestHelm4RendersTheSame(t *testing.T) {
	t.Parallel()
	for _, file := range append(valuesFiles(t), filepath.Join(chart.Dir(), "values.yaml")) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			args := []string{"--values", file, "--kube-version", "1.37.2"}
			cmd := exec.CommandContext(t.Context(), "helm4", append([]string{"template", "ai-agent", chart.Dir()}, args...)...)
			manifest, err := cmd.CombinedOutput()
			require.NoError(t, err, string(manifest))
			objects, err := chart.Decode(string(manifest))
			require.NoError(t, err)
			assert.ElementsMatch(t, chart.Render(t, nil, args...), objects)
		})
	}
}
