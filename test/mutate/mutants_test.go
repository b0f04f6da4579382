package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/chart"
)

// A change of the chart must not leave a defect that no longer exists to `make mutate`,
// which stops there after many minutes.
func TestEachDefectCanBeInjected(t *testing.T) {
	t.Parallel()
	for _, group := range groups {
		for _, m := range group.mutants {
			text, err := os.ReadFile(filepath.Join(chart.Dir(), m.file))
			require.NoError(t, err)
			_, err = m.apply(string(text))
			assert.NoError(t, err, m.defect)
		}
	}
}
