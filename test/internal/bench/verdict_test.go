package bench_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/agent/output"
	"example.com/ai-agent/test/internal/bench"
	"example.com/ai-agent/test/internal/bench/benchtest"
)

func TestVerdictCountsLosses(t *testing.T) {
	t.Parallel()
	const disturbed = 10
	run := func(start, end float64, outcome output.Outcome) bench.Run {
		return bench.Run{Start: start, End: end, Outcome: outcome}
	}
	finished := run(5, 15, output.Done)
	for _, test := range []struct {
		name     string
		scenario bench.Scenario
		want     bench.Verdict
		word     string
	}{
		{"all runs end", bench.Scenario{InFlight: 1, Runs: []bench.Run{finished}}, bench.Verdict{Scenarios: 1, InFlight: 1}, "no loss"},
		{
			"each outcome but done is a loss",
			bench.Scenario{InFlight: 4, Runs: []bench.Run{
				run(5, 11, output.Interrupted), run(5, 11, output.Refused), run(5, 11, output.Unreachable), run(5, 11, output.Failed), finished,
			}},
			bench.Verdict{Scenarios: 1, InFlight: 5, Interrupted: 4}, "loss",
		},
		{
			"a later run is not one in flight",
			bench.Scenario{InFlight: 1, Runs: []bench.Run{finished, run(11, 12, output.Unreachable), run(11, 22, output.Done)}},
			bench.Verdict{Scenarios: 1, InFlight: 1, Later: 2, LaterLost: 1}, "loss",
		},
		{
			"a failure before the disturbance is reported separately",
			bench.Scenario{InFlight: 1, Runs: []bench.Run{finished, run(1, 2, output.Interrupted), run(1, 2, output.Done)}},
			bench.Verdict{Scenarios: 1, InFlight: 1, Before: bench.Before{Runs: 2, RunsLost: 1}}, "no loss",
		},
		{
			"the second of the disturbance is not before it",
			bench.Scenario{InFlight: 1, Runs: []bench.Run{finished}, Requests: []bench.Requests{{At: 10, Sent: 5, Failed: 1}, {At: 10.1, Sent: 5, Failed: 2}}},
			bench.Verdict{Scenarios: 1, InFlight: 1, Requests: 5, RequestsFailed: 2, Before: bench.Before{Requests: 5, RequestsFailed: 1}}, "loss",
		},
		{
			"an invalid scenario counts nothing",
			bench.Scenario{InFlight: 1, Invalid: "why", Runs: []bench.Run{run(5, 11, output.Interrupted)}},
			bench.Verdict{Invalid: []string{"why"}}, "invalid",
		},
		{"no run in flight proves nothing", bench.Scenario{Runs: []bench.Run{run(11, 12, output.Done)}}, bench.Verdict{Invalid: []string{"no run was in flight"}}, "invalid"},
		{
			"a run without a recorded end proves nothing",
			bench.Scenario{InFlight: 2, Runs: []bench.Run{finished}},
			bench.Verdict{Invalid: []string{"clients recorded the end of only 1 of the 2 runs in flight"}}, "invalid",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.scenario.Disturbed = disturbed
			got := test.scenario.Verdict()
			assert.Equal(t, test.want, got)
			assert.Equal(t, test.word, got.Word())
		})
	}
}

func TestTableSumsRepeatedScenarios(t *testing.T) {
	t.Parallel()
	interrupted := bench.Scenario{Subject: "a", Disturbance: "drain", Disturbed: 10, InFlight: 1, Runs: []bench.Run{{Start: 5, End: 11, Outcome: output.Interrupted}}}
	done := interrupted
	done.Runs = []bench.Run{{Start: 5, End: 15, Outcome: output.Done}}
	invalid := done
	invalid.Invalid = "why"
	other := done
	other.Subject, other.Disturbance = "b", "rollout"

	table := bench.Result{Scenarios: []bench.Scenario{interrupted, done, invalid, other}}.Table()
	assert.Equal(t, []string{"drain", "rollout"}, table.Disturbances)
	require.Len(t, table.Rows, 2)
	assert.Equal(t, []string{"1 of 2 runs", "0 of 0 later runs", "0 of 0 requests", "invalid: why"}, table.Rows[0].Cells[0].Lines())
	assert.Equal(t, "not run", table.Rows[0].Cells[1].Word())
	assert.Equal(t, "no loss", table.Rows[1].Cells[1].Word())
}

func TestHeadlineNamesWhatWasCompared(t *testing.T) {
	t.Parallel()
	scenario := func(subject string, outcome output.Outcome) bench.Scenario {
		return bench.Scenario{
			Subject: subject, Disturbed: 10, InFlight: 1, Runs: []bench.Run{{Start: 5, End: 11, Outcome: outcome}, {Start: 12, End: 13, Outcome: outcome}},
			Requests: []bench.Requests{{At: 12, Sent: 3}},
		}
	}
	own, other := scenario(bench.Own, output.Done), scenario("other", output.Interrupted)
	for want, scenarios := range map[string][]bench.Scenario{
		"0 of 2 runs and 0 of 3 requests lost with ai-agent, 2 of 2 runs and 0 of 3 requests with other manifests": {other, own},
		"0 of 2 runs and 0 of 3 requests lost with ai-agent":                                                       {own},
		"2 of 2 runs and 0 of 3 requests lost with other manifests":                                                {other},
		"No scenario was valid": {{Subject: "other", Invalid: "why"}},
	} {
		assert.Equal(t, want, bench.Result{Scenarios: scenarios}.Table().Headline())
	}
}

func TestTablesShowEachCell(t *testing.T) {
	t.Parallel()
	result := benchtest.Example()
	table := result.Table()
	var list, matrix strings.Builder
	require.NoError(t, result.Write(&list, false))
	require.NoError(t, result.Write(&matrix, true))
	for _, out := range []string{list.String(), matrix.String()} {
		assert.Contains(t, out, ".\n\nCost of one more item", "after the costs of disturbances")
		assert.Contains(t, out, table.Headline())
		assert.Equal(t, 1, strings.Count(out, "Before the disturbances"), "the example has one failure before them")
		assert.Contains(t, out, "bare Deployment (service) lost 1 of 8 runs and 0 of 2,400 requests")
	}
	lines := strings.Split(matrix.String(), "\n")
	for _, row := range table.Rows {
		for i, cell := range row.Cells {
			start, text := "| "+row.Subject+" |", strings.Join(append([]string{cell.Word()}, cell.Lines()...), "<br/>")
			assert.True(t, slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, start) && strings.Contains(line, text) }), text)
			if words := strings.Fields(cell.Lines()[0]); cell.Proven() {
				start = strings.Join([]string{"", table.Disturbances[i], row.Subject, row.Route, cell.Word(), strings.Join(words[:3], " ")}, " +│ ")
				assert.Regexp(t, start[2:], list.String())
			}
		}
	}
	assert.Contains(t, list.String(), "2 runs were in flight")
}

func TestCostsOfOneMore(t *testing.T) {
	t.Parallel()
	result := bench.Result{Growth: []bench.Growth{
		{Of: "releases", Size: 1000, Costs: map[string]float64{"install (s)": 1234.5, "objects": 14}},
		{Of: "schedules", Size: 1, Costs: map[string]float64{"manifest (bytes)": 999.6}},
		{Of: "releases", Size: 10, Costs: map[string]float64{"install (s)": 0.7569}},
	}}
	var out strings.Builder
	require.NoError(t, result.Write(&out, true))
	assert.Contains(t, out.String(), "| number of releases | 10 | 1,000 |\n| --- | ---:| ---:|\n| install (s) | 0.757 | 1,234 |\n| objects | – | 14 |\n")
	assert.Contains(t, out.String(), "| manifest (bytes) | 1,000 |")
	assert.NotContains(t, out.String(), "runs", "no disturbance was recorded")
}

func TestUsagePairsRemovedPodsWithAddedOnes(t *testing.T) {
	t.Parallel()
	scenario := bench.Scenario{
		Subject: "a", Disturbance: "drain", Route: "service", Disturbed: 10, Settled: 40, Ended: 60, InFlight: 1, Runs: []bench.Run{{Start: 5, End: 15, Outcome: output.Done}},
		Pods: []bench.Pod{
			{Created: -9, Started: -8, Ready: -5, Deleted: 12, Gone: 20}, // replaced after 3 s
			{Created: -9, Started: -8, Ready: -4, Deleted: 20, Gone: 21}, // by a pod that was Ready already
			{Created: -9, Started: -8, Ready: -3, Deleted: 30, Gone: 31}, // not replaced
			{Created: 11, Started: 13, Ready: 15},
			{Created: 12, Started: 14, Ready: 18},
			{Created: 12, Started: 14}, // never Ready
		},
		Scaling: []bench.Scaling{{At: 0, Ready: 1}, {At: 5, Ready: 3}, {At: 12, Ready: 2}, {At: 50, Ready: 0}},
		Cost:    bench.Cost{PodSeconds: 200, CPUSeconds: 3},
	}
	invalid := scenario
	invalid.Invalid = "why"
	assert.Equal(t, []bench.Usage{{
		Subject: "a", Compared: []string{"drain"}, Fewest: map[string]int{"drain": 2}, Starts: []float64{2, 3, 4, 4, 5}, Replacements: []float64{0, 3}, Unreplaced: 1, Seconds: 60, Cost: scenario.Cost,
	}}, bench.Result{Scenarios: []bench.Scenario{scenario, invalid}}.Usage())
	scenario.Disturbance = "load step"
	assert.Equal(t, []float64{5, 8}, bench.Result{Scenarios: []bench.Scenario{scenario}}.Usage()[0].Steps)
}

func TestRunsInFlightOverTime(t *testing.T) {
	t.Parallel()
	scenario := bench.Scenario{Runs: []bench.Run{{Start: 1, End: 5}, {Start: 2, End: 5}, {Start: 5, End: 6}}}
	assert.Equal(t, []bench.Change{{}, {At: 1, Value: 1}, {At: 2, Value: 2}, {At: 5, Value: 1}, {At: 6, Value: 0}}, scenario.InFlightOverTime())
}

// Costs are comparable only if they are those of the same disturbances, without a proxy.
func TestUsageComparesWhatAllSubjectsUnderwent(t *testing.T) {
	t.Parallel()
	scenario := func(subject, disturbance, route string) bench.Scenario {
		return bench.Scenario{
			Subject: subject, Disturbance: disturbance, Route: route, Disturbed: 10, Ended: 60, InFlight: 1,
			Runs: []bench.Run{{Start: 5, End: 15, Outcome: output.Done}},
		}
	}
	usage := bench.Result{Scenarios: []bench.Scenario{
		scenario("a", "rollout", "service"), scenario("a", "uninstall", "service"), scenario("a", "rollout", "nginx"), scenario("b", "rollout", "service"),
	}}.Usage()
	assert.Equal(t, []string{"rollout"}, usage[0].Compared)
	assert.Equal(t, []float64{60, 60}, []float64{usage[0].Seconds, usage[1].Seconds})
}
