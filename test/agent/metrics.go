package main

import (
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// The outcomes of a run in the metric agent_runs_total.
const (
	completed  = "completed"
	failed     = "failed"      // the model did not complete its answer
	overBudget = "over_budget" // it took more than MAX_RUN_SECONDS
	abandoned  = "abandoned"   // the client disconnected or stopped reading
	refused    = "refused"     // all slots were busy
)

// metrics are what Prometheus collects, and whether it has collected the last run.
type metrics struct {
	handler  http.Handler
	inFlight prometheus.Gauge
	runs     *prometheus.CounterVec
	seconds  prometheus.Histogram
	genAI    genAI

	mu      sync.Mutex
	unseen  chan struct{} // closed by the next scrape; nil if no run has ended since the last one
	scraped time.Time     // last
	gap     time.Duration // between the last two scrapes
}

// newMetrics returns the metrics of an agent whose runs take at most maxRun; 0 means
// that there is no limit.
func newMetrics(maxRun time.Duration) *metrics {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	factory := promauto.With(registry)
	m := &metrics{
		handler: promhttp.HandlerFor(registry, promhttp.HandlerOpts{}),
		inFlight: factory.NewGauge(prometheus.GaugeOpts{
			Name: "agent_runs_in_flight", Help: "Runs that are in progress.",
		}),
		runs: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "agent_runs_total", Help: "Runs by outcome: completed, failed, over_budget, abandoned, refused.",
		}, []string{"outcome"}),
		seconds: factory.NewHistogram(prometheus.HistogramOpts{
			Name: "agent_run_duration_seconds", Help: "Duration of runs in seconds.",
			Buckets: runBuckets(maxRun.Seconds()),
		}),
		genAI: newGenAI(factory, maxRun.Seconds()),
	}
	for _, outcome := range []string{completed, failed, overBudget, abandoned, refused} {
		m.runs.WithLabelValues(outcome) // create it with 0: an alert on an increase needs the 0 before the 1
	}
	return m
}

// runBuckets returns the buckets of the duration of runs. The last one ends with the
// budget, so that a quantile can reach it, and only runs that exceed it are outside.
func runBuckets(budget float64) []float64 {
	buckets := []float64{1, 5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800, 86400}
	if budget == 0 {
		return buckets
	}
	within := slices.IndexFunc(buckets, func(end float64) bool { return end >= budget })
	if within < 0 {
		within = len(buckets)
	}
	return append(buckets[:within:within], budget)
}

// ended records the end of a run.
func (m *metrics) ended(outcome, model string, took time.Duration, err error) {
	m.inFlight.Dec()
	m.runs.WithLabelValues(outcome).Inc()
	m.seconds.Observe(took.Seconds())
	m.genAI.invocations.WithLabelValues(model, errorType(err)).Observe(took.Seconds())
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.unseen == nil {
		m.unseen = make(chan struct{})
	}
}

// ServeHTTP answers a scrape.
func (m *metrics) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	unseen := m.scrape(time.Now())
	m.handler.ServeHTTP(w, r)
	if unseen != nil {
		close(unseen)
	}
}

// scrape notes a scrape and returns what awaitScrape waits for.
func (m *metrics) scrape(now time.Time) (unseen chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.scraped.IsZero() {
		m.gap = now.Sub(m.scraped)
	}
	m.scraped = now
	unseen, m.unseen = m.unseen, nil
	return unseen
}

// awaitScrape waits until Prometheus has collected how the last run ended, at most
// until the deadline, and not at all if no scrape is due.
func (m *metrics) awaitScrape(deadline time.Time) {
	m.mu.Lock()
	unseen, due := m.unseen, m.due()
	m.mu.Unlock()
	if unseen == nil {
		return
	}
	if due.After(deadline) {
		due = deadline
	}
	select {
	case <-unseen:
	case <-time.After(time.Until(due)):
	}
}

// due is when the next scrape has come, even if it is late.
func (m *metrics) due() time.Time {
	if m.gap == 0 {
		return m.scraped
	}
	return m.scraped.Add(max(2*m.gap, 5*time.Second))
}
