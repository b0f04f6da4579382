package bench_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/bench"
	"example.com/ai-agent/test/internal/page"
	"example.com/ai-agent/test/internal/prober"
)

// A scenario that could not be run, by any route, is in the file and in the report, and in
// no total.
func TestScenarioThatCouldNotBeRunIsReported(t *testing.T) {
	t.Parallel()
	result := bench.Result{Started: time.Now(), Commit: "a", Kubernetes: "v1.37.2", Machine: bench.Machine{CPUs: 2, Memory: 1, OS: "Debian"}}
	subject := bench.Subject{Name: bench.Own}
	for _, route := range append(bench.Proxied, bench.Service, bench.Ingress, bench.HTTPRoute, bench.Defaults) {
		result.Scenarios = append(result.Scenarios, bench.Once(subject, route, bench.Disturbances[0], prober.Load{}).NotRun())
	}
	text, err := json.Marshal(result)
	require.NoError(t, err)
	require.NoError(t, bench.Validate(text))
	assert.Equal(t, "No scenario was valid", result.Table().Headline())
	var html bytes.Buffer
	require.NoError(t, page.Write(&html, result))
	assert.Contains(t, html.String(), "it could not be run")
}

// What no manifest can survive, and this chart without a protection, are in the table but
// not in the totals.
func TestTotalsLeaveOutWhatIsMeantToLose(t *testing.T) {
	t.Parallel()
	lost := bench.Scenario{Subject: bench.Own, Disturbance: "force deletion", Route: "service", Ended: 2, Disturbed: 1, Runs: []bench.Run{{Outcome: "interrupted", End: 2}}}
	unsurvivable := lost
	unsurvivable.Unsurvivable = true
	ablated, abrupt := lost, lost
	ablated.Subject += " (abrupt) without preStop"
	abrupt.Subject += " (abrupt)"
	total := func(s bench.Scenario) int {
		table := bench.Result{Scenarios: []bench.Scenario{s}}.Table()
		assert.Equal(t, 1, table.Rows[0].Cells[0].Interrupted)
		return table.Total(true).Interrupted + table.Total(false).Interrupted
	}
	assert.Equal(t, []int{1, 1, 0, 0}, []int{total(lost), total(abrupt), total(unsurvivable), total(ablated)})
}

func TestAboutDescribesEachDisturbance(t *testing.T) {
	t.Parallel()
	for _, disturbance := range bench.Disturbances {
		assert.NotEmpty(t, bench.About[disturbance.Name], disturbance.Name)
	}
	assert.Len(t, bench.About, len(bench.Disturbances)+1, "a soak is a sequence of them")
}
