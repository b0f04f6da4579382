package house

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/charttest"
	"example.com/ai-agent/test/internal/check"
	"example.com/ai-agent/test/internal/repo"
)

// The README's table of what ends a pod has the rows of the chart's file. -update
// writes it.
func TestTableOfWhatEndsAPodIsCurrent(t *testing.T) {
	t.Parallel()
	bounds, err := check.Bounds(charttest.Own(t))
	require.NoError(t, err)
	var table strings.Builder
	table.WriteString("| What happens | Platform | Time for the pod | Changed by |\n|---|---|---|---|\n")
	for _, bound := range bounds {
		platforms := strings.Join(bound.Platforms, ", ")
		if len(bound.Platforms) == len(check.Platforms()) {
			platforms = "all"
		}
		fmt.Fprintf(&table, "| %s | %s | %s | %s |\n", bound.What, platforms, timeOf(bound), bound.Setting)
	}
	const begin, end = "<!-- platforms -->\n", "<!-- /platforms -->\n"
	readme, err := os.ReadFile(repo.Path("README.md"))
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(readme), begin)
	require.True(t, found)
	current, after, found := strings.Cut(rest, end)
	require.True(t, found)
	if *update {
		require.NoError(t, os.WriteFile(repo.Path("README.md"), []byte(before+begin+table.String()+end+after), 0o644))
		return
	}
	assert.Equal(t, table.String(), current)
}

// timeOf returns how long a pod has, with a link to the source.
func timeOf(bound check.Bound) string {
	limit := "its grace period"
	if bound.Seconds != nil {
		limit = fmt.Sprintf("%d s", *bound.Seconds)
	}
	text := fmt.Sprintf("[%s](%s)", limit, bound.Source)
	if bound.Note != "" {
		text += ": " + bound.Note
	}
	return text
}
