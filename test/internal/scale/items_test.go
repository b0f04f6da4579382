package scale

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/bench"
	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
)

// The render of one more schedule or config key costs at most three times as much CPU with
// 1,000 of them as with 10, and adds as many bytes. Control: with a template that compares
// each key with all others, it costs more even with 120. Not parallel, because CPU time is measured.
func TestItemsGrowLinearly(t *testing.T) {
	own, err := Items(charttest.Own(t), []int{10, 1000})
	require.NoError(t, err)
	for of, costs := range costsByItem(own) {
		t.Log(of, costs)
		assert.LessOrEqual(t, costs[1][RenderTime], 3*costs[0][RenderTime], of)
		assert.InEpsilon(t, costs[0][ManifestSize], costs[1][ManifestSize], 0.01, of)
	}

	broken := withTemplate(t, `{{ range $.Values.config }}{{ range $.Values.config }}{{ $_ := print (toYaml $.Values.networkPolicy) (toYaml $.Values.autoscaling) (toYaml $.Values.networkPolicy) }}{{ end }}{{ end }}`)
	control, err := configKeys.grow(broken, []int{10, 120})
	require.NoError(t, err)
	t.Log("control:", control)
	assert.Greater(t, control[1].Costs[RenderTime], 3*control[0].Costs[RenderTime], "control")
}

// withTemplate returns the chart with one more template.
func withTemplate(t *testing.T, text string) *chart.Chart {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "ai-agent")
	require.NoError(t, os.CopyFS(folder, os.DirFS(chart.Dir())))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "templates", "more.yaml"), []byte(text), 0o600))
	c, err := chart.Load(folder)
	require.NoError(t, err)
	return c
}

// costsByItem returns the costs at each size.
func costsByItem(grown []bench.Growth) map[string][]map[string]float64 {
	all := map[string][]map[string]float64{}
	for _, g := range grown {
		all[g.Of] = append(all[g.Of], g.Costs)
	}
	return all
}

func TestItemsNamesWhatDoesNotRender(t *testing.T) {
	t.Parallel()
	_, err := Items(withTemplate(t, `{{ if .Values.schedules }}{{ fail "broken" }}{{ end }}`), []int{1})
	assert.ErrorContains(t, err, "1 schedules: ")
}
