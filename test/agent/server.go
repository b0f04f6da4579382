package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// How a run ended, as the metric agent_runs_total tells it.
const (
	completed  = "completed"
	failed     = "failed"      // the model did not answer to the end
	overBudget = "over_budget" // it took more than MAX_RUN_SECONDS
	abandoned  = "abandoned"   // the client went away
	refused    = "refused"     // every place was taken
)

// server is the agent's HTTP side.
type server struct {
	model        *model
	dependencies dependencies
	faults       *faults
	heartbeat    time.Duration // a comment on a quiet stream keeps idle timeouts away
	patience     time.Duration // before the first byte of an answer; see run
	places       chan struct{} // one for each run that may be in flight
	draining     atomic.Bool

	registry *prometheus.Registry
	inFlight prometheus.Gauge
	runs     *prometheus.CounterVec
	seconds  prometheus.Histogram
}

func newServer(m *model, d dependencies, f *faults, heartbeat, patience time.Duration, maxRuns int) *server {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	metrics := promauto.With(registry)
	s := &server{
		model:        m,
		dependencies: d,
		faults:       f,
		heartbeat:    heartbeat,
		patience:     patience,
		places:       make(chan struct{}, maxRuns),
		registry:     registry,
		inFlight: metrics.NewGauge(prometheus.GaugeOpts{
			Name: "agent_runs_in_flight", Help: "Runs that are being answered now.",
		}),
		runs: metrics.NewCounterVec(prometheus.CounterOpts{
			Name: "agent_runs_total", Help: "Runs by how they ended: completed, failed, over_budget, abandoned, refused.",
		}, []string{"outcome"}),
		seconds: metrics.NewHistogram(prometheus.HistogramOpts{
			Name: "agent_run_duration_seconds", Help: "How long runs took.",
			Buckets: []float64{1, 5, 15, 30, 60, 120, 300, 600, 1200},
		}),
	}
	for _, outcome := range []string{completed, failed, overBudget, abandoned, refused} {
		s.runs.WithLabelValues(outcome) // from 0 on: the first cut run must show as a change
	}
	return s
}

func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /ready", s.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("POST /v1/runs", s.run)
	if s.faults.http {
		mux.HandleFunc("POST /faults", s.faults.handler)
	}
	return s.faults.stall(s.closeWhenDraining(mux))
}

// closeWhenDraining asks clients to leave kept-alive connections of an agent
// that is about to end, so that none sends a request into a closing one.
func (s *server) closeWhenDraining(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

func (s *server) ready(w http.ResponseWriter, r *http.Request) {
	states, ok := s.dependencies.check(r.Context())
	if s.faults.notReady.Load() {
		states["fault"], ok = "not-ready", false
	}
	status := http.StatusOK
	if !ok {
		status = http.StatusServiceUnavailable
		slog.Warn("not ready", "checks", states)
	}
	writeJSON(w, status, states)
}

type runRequest struct {
	Task string `json:"task"`
	// MaxTokens shortens the answer of this run; 0 means the configured number.
	MaxTokens int64 `json:"max_tokens"`
}

// run answers one task: as server-sent events started, token…, done or error;
// or, with ENABLE_STREAMING=false, as one JSON object at the end. A busy agent
// says 429 and stays ready: a Deployment that shrinks ends unready pods first.
//
// It takes a moment before its first byte. A proxy of Go's net/http, such as
// Traefik, cuts an answer that comes before it has looked for the end of the
// request, and a stream begins as fast as that: every fifth run was cut so
// (https://go.dev/issue/40747).
func (s *server) run(w http.ResponseWriter, r *http.Request) {
	time.Sleep(s.patience)
	var req runRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&req); err != nil {
		writeError(w, http.StatusBadRequest, `the body must be JSON such as {"task": "…"}: `+err.Error())
		return
	}
	if req.Task == "" || req.MaxTokens < 0 {
		writeError(w, http.StatusBadRequest, "task must not be empty, nor max_tokens negative")
		return
	}
	select {
	case s.places <- struct{}{}:
		defer func() { <-s.places }()
	default:
		s.runs.WithLabelValues(refused).Inc()
		w.Header().Set("Retry-After", "5")
		writeError(w, http.StatusTooManyRequests, "every place for a run is taken: try again in 5 s")
		return
	}

	id, start := uuid.NewString(), time.Now()
	log := slog.With("run", id)
	log.Info("run started")
	s.inFlight.Inc()
	defer s.inFlight.Dec()

	respond := s.respondWhole
	if s.model.stream {
		respond = s.respondStreaming
	}
	err := respond(w, r, id, req)
	outcome := outcomeOf(r, err)
	s.runs.WithLabelValues(outcome).Inc()
	s.seconds.Observe(time.Since(start).Seconds())
	log.Info("run ended", "outcome", outcome, "seconds", time.Since(start).Seconds(), "error", err)
}

func outcomeOf(r *http.Request, err error) string {
	switch {
	case err == nil:
		return completed
	case errors.Is(err, errOverBudget):
		return overBudget
	case r.Context().Err() != nil:
		return abandoned
	}
	return failed
}

func (s *server) respondWhole(w http.ResponseWriter, r *http.Request, id string, req runRequest) error {
	var answer string
	err := s.model.run(r.Context(), req.Task, req.MaxTokens, func(text string) error {
		answer += text
		return nil
	})
	if err != nil {
		writeError(w, http.StatusBadGateway, err.Error())
		return err
	}
	writeJSON(w, http.StatusOK, map[string]string{"run": id, "answer": answer})
	return nil
}

func (s *server) respondStreaming(w http.ResponseWriter, r *http.Request, id string, req runRequest) error {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("X-Accel-Buffering", "no") // nginx streams only what says so
	out := http.NewResponseController(w)
	event := func(name string, data any) error {
		body, err := json.Marshal(data)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "event: %s\ndata: %s\n\n", name, body); err != nil {
			return err
		}
		return out.Flush()
	}
	if err := event("started", map[string]string{"run": id}); err != nil {
		return err
	}

	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	pieces, ended := make(chan string), make(chan error, 1)
	go func() {
		ended <- s.model.run(ctx, req.Task, req.MaxTokens, func(text string) error {
			select {
			case pieces <- text:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	quiet := time.NewTicker(s.heartbeat)
	defer quiet.Stop()
	for {
		select {
		case text := <-pieces:
			if err := event("token", map[string]string{"text": text}); err != nil {
				return err
			}
			quiet.Reset(s.heartbeat)
		case <-quiet.C:
			fmt.Fprint(w, ": heartbeat\n\n")
			if err := out.Flush(); err != nil {
				return err
			}
		case err := <-ended:
			if err != nil {
				return errors.Join(err, event("error", map[string]string{"run": id, "error": err.Error()}))
			}
			return event("done", map[string]string{"run": id})
		}
	}
}

// serve answers on the listener until ctx ends, then drains: it goes on
// accepting for drainDelay while clients leave their connections, closes the
// listener, and returns when the last run is finished. Nothing but the
// kubelet's grace period bounds that.
func (s *server) serve(ctx context.Context, listener net.Listener, drainDelay time.Duration) error {
	return serveUntil(ctx, listener, s.handler(), func() {
		slog.Info("draining", "runs", len(s.places), "delay", drainDelay.String())
		s.draining.Store(true)
		time.Sleep(drainDelay)
		s.faults.holdOn()
	})
}

// serveUntil serves until ctx ends, calls drain, and returns when no request is left.
func serveUntil(ctx context.Context, listener net.Listener, handler http.Handler, drain func()) error {
	web := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	serving := make(chan error, 1)
	go func() { serving <- web.Serve(listener) }()
	select {
	case err := <-serving:
		return err
	case <-ctx.Done():
	}
	drain()
	if err := web.Shutdown(context.Background()); err != nil {
		return fmt.Errorf("draining: %w", err)
	}
	slog.Info("drained")
	return nil
}

func writeError(w http.ResponseWriter, status int, message string) {
	writeJSON(w, status, map[string]string{"error": message})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a client that is gone misses nothing
}
