package render

import (
	"slices"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"example.com/ai-agent/test/internal/chart"
)

// What follows does the part of `promtool check rules` and `promtool test rules`
// that alerts need, with the packages that promtool consists of. Promtool itself
// links the SDKs of all clouds and takes five minutes of CPU to build.

// interval is that of the samples of a series and of the evaluation of rules.
const interval = time.Minute

// engine evaluates expressions as Prometheus does.
var engine = promql.NewEngine(promql.EngineOpts{
	MaxSamples: 1_000_000, Timeout: time.Minute, LookbackDelta: 5 * time.Minute, EnableAtModifier: true, EnableNegativeOffset: true,
})

// alertsOf returns the alerts of a PrometheusRule, which must be valid.
func alertsOf(t *testing.T, objects chart.Objects) []rulefmt.Rule {
	t.Helper()
	rule := unstructuredOf(t, objects, "PrometheusRule")
	text, err := yaml.Marshal(rule.Object["spec"])
	require.NoError(t, err)
	groups, problems := rulefmt.Parse(text, false)
	require.Empty(t, problems)
	var alerts []rulefmt.Rule
	for _, group := range groups.Groups {
		alerts = append(alerts, group.Rules...)
	}
	return alerts
}

// firing returns the alerts that fire within the given time, each with when it does
// for the first and for the last time.
func firing(t *testing.T, alerts []rulefmt.Rule, data series, within time.Duration) (first, last map[string]time.Duration) {
	t.Helper()
	first, last = map[string]time.Duration{}, map[string]time.Duration{}
	for _, alert := range alerts {
		active := map[string]time.Duration{} // since when, by labels
		for now := time.Duration(0); now <= within; now += interval {
			active = stillActive(active, evaluate(t, alert.Expr, data, now), now)
			for _, since := range active {
				if now-since < time.Duration(alert.For) {
					continue
				}
				if _, fired := first[alert.Alert]; !fired {
					first[alert.Alert] = now
				}
				last[alert.Alert] = now
			}
		}
	}
	return first, last
}

// stillActive keeps since when alerts have been active without a gap.
func stillActive(before map[string]time.Duration, results []string, now time.Duration) map[string]time.Duration {
	active := map[string]time.Duration{}
	for _, result := range results {
		since, was := before[result]
		if !was {
			since = now
		}
		active[result] = since
	}
	return active
}

// evaluate returns the labels of each result of an expression. An alert drops the
// name of the metric, and Prometheus refuses two results that are then the same.
func evaluate(t *testing.T, expr string, data series, now time.Duration) []string {
	t.Helper()
	query, err := engine.NewInstantQuery(t.Context(), data, nil, expr, time.Unix(0, 0).Add(now))
	require.NoError(t, err)
	defer query.Close()
	vector, err := query.Exec(t.Context()).Vector()
	require.NoError(t, err, expr)
	var results []string
	for _, sample := range vector {
		results = append(results, labels.NewBuilder(sample.Metric).Del(labels.MetricName).Labels().String())
	}
	slices.Sort(results)
	require.Len(t, slices.Compact(slices.Clone(results)), len(results), "%s has duplicate results: %v", expr, results)
	return results
}

// series are time series in memory.
type series []storage.Series

// newSeries reads series in the notation of promtool's unit tests: 0x5 1x30 is 0
// for the first six samples, and then 1.
func newSeries(t *testing.T, descriptions []string) series {
	t.Helper()
	var all series
	for _, description := range descriptions {
		name, values, err := parser.ParseSeriesDesc(description)
		require.NoError(t, err, description)
		points := promql.Series{Metric: name}
		for i, value := range values {
			if !value.Omitted {
				points.Floats = append(points.Floats, promql.FPoint{T: int64(i) * interval.Milliseconds(), F: value.Value})
			}
		}
		all = append(all, promql.NewStorageSeries(points))
	}
	return all
}

// Querier returns the querier of all series.
func (s series) Querier(int64, int64) (storage.Querier, error) {
	return &storage.MockQuerier{SelectMockFunction: func(_ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
		selected := slices.DeleteFunc(slices.Clone(s), func(one storage.Series) bool {
			return slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(one.Labels().Get(m.Name)) })
		})
		return &seriesSet{storage.EmptySeriesSet(), selected, -1}
	}}, nil
}

type seriesSet struct {
	storage.SeriesSet // an empty one, which has no error and no warning
	series            series
	at                int // of the current one
}

func (s *seriesSet) Next() bool         { s.at++; return s.at < len(s.series) }
func (s *seriesSet) At() storage.Series { return s.series[s.at] }
