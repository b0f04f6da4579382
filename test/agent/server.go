package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// server is the HTTP side of the agent.
type server struct {
	model        *model
	dependencies dependencies
	faults       *faults
	heartbeat    time.Duration // interval of comments on a silent stream, against idle timeouts
	patience     time.Duration // delay of the first byte of an answer; see run
	timeout      time.Duration // for clients; see limit. 0 means no limit
	slots        chan struct{} // one element for each busy slot
	draining     atomic.Bool

	metrics *metrics
}

// api serves runs and the probes. It ends with the drain: see serve.
func (s *server) api() *http.ServeMux {
	mux := s.probes()
	mux.HandleFunc("POST /v1/runs", s.run)
	if s.faults.http {
		mux.HandleFunc("POST /faults", s.faults.handler)
	}
	return mux
}

// observability serves the metrics and the probes, until the last run has ended.
func (s *server) observability() *http.ServeMux {
	mux := s.probes()
	mux.Handle("GET /metrics", s.metrics)
	return mux
}

func (s *server) probes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /ready", s.ready)
	return mux
}

// closeWhenDraining makes clients close their idle connections to an agent that is
// shutting down, so that none sends a request on a connection that is being closed.
func (s *server) closeWhenDraining(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// limit bounds how long a client may take to send its request and to receive the
// answer, because the agent cannot shut down before. The limit of a run's answer is
// different: see limitRun.
func (s *server) limit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.timeout > 0 {
			connection, deadline := http.NewResponseController(w), time.Now().Add(s.timeout)
			_ = connection.SetReadDeadline(deadline) // fails only if the connection is closed
			_ = connection.SetWriteDeadline(deadline)
		}
		next.ServeHTTP(w, r)
	})
}

// lastWords is how long an answer may take that says that time is up.
const lastWords = time.Second

// limitRun bounds the answer of a run that starts now by its budget: a client that
// does not read would otherwise keep the run, and its slot, for as long as it likes.
func (s *server) limitRun(w http.ResponseWriter) {
	if s.timeout == 0 {
		return
	}
	var none, deadline time.Time
	if s.model.maxRun > 0 {
		deadline = time.Now().Add(s.model.maxRun + lastWords)
	}
	connection := http.NewResponseController(w)
	_ = connection.SetReadDeadline(none) // the request is complete: what is read now is whether the client disconnects
	_ = connection.SetWriteDeadline(deadline)
}

func (s *server) ready(w http.ResponseWriter, r *http.Request) {
	states, ok := s.dependencies.check(r.Context())
	if s.faults.notReady.Load() || s.faults.has("unready-when-busy") && s.busy() {
		states["fault"], ok = "not-ready", false
	}
	status := http.StatusOK
	if !ok {
		status = http.StatusServiceUnavailable
	}
	_ = writeJSON(w, status, states)
}

func (s *server) busy() bool { return len(s.slots) > 0 }

type runRequest struct {
	Task string `json:"task"`
	// MaxTokens limits the answer of this run; 0 means MAX_TOKENS.
	MaxTokens int64 `json:"max_tokens"`
}

// run answers one task: with the server-sent events started, token… and done or
// error, or, with ENABLE_STREAMING=false, with one JSON object at the end. While
// all slots are busy it answers 429, and the agent stays ready: a Deployment that
// scales down removes unready pods first.
//
// The first byte is delayed. A proxy built on Go's net/http, such as Traefik,
// interrupts an answer that arrives before the proxy has read the end of the
// request (https://go.dev/issue/40747). A stream can start that early: without the
// delay one run in five was interrupted.
func (s *server) run(w http.ResponseWriter, r *http.Request) {
	time.Sleep(s.patience)
	var req runRequest
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20)) // to its end: see limitRun
	if errors.Is(err, os.ErrDeadlineExceeded) {
		w.Header().Set("Connection", "close")
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(lastWords)) // the deadline of both has passed
		writeError(w, http.StatusRequestTimeout, "the request did not arrive within "+s.timeout.String())
		return
	}
	if err == nil {
		err = json.Unmarshal(body, &req)
	}
	if err != nil {
		writeError(w, http.StatusBadRequest, `the body must be JSON such as {"task": "summarize the report"}: `+err.Error())
		return
	}
	if req.Task == "" || req.MaxTokens < 0 {
		writeError(w, http.StatusBadRequest, "task must not be empty, max_tokens must not be negative")
		return
	}
	if !s.takeSlot() {
		s.refuse(w)
		return
	}
	defer func() { <-s.slots }()

	id, start := uuid.NewString(), time.Now()
	log := slog.With("run", id)
	log.Info("run started")
	s.metrics.inFlight.Inc()
	s.limitRun(w)

	respond := s.respondWhole
	if s.model.stream {
		respond = s.respondStreaming
	}
	err = respond(w, r, id, req)
	outcome := outcomeOf(r, err)
	s.metrics.ended(outcome, s.model.name, time.Since(start), err)
	log.Info("run ended", "outcome", outcome, "seconds", time.Since(start).Seconds(), "error", err)
}

// takeSlot reports whether a slot for a run was free.
func (s *server) takeSlot() bool {
	if s.faults.has("queue") {
		s.slots <- struct{}{}
		return true
	}
	select {
	case s.slots <- struct{}{}:
		return true
	default:
		return false
	}
}

// refuse answers a run for which there is no slot.
func (s *server) refuse(w http.ResponseWriter) {
	s.metrics.runs.WithLabelValues(refused).Inc()
	status := http.StatusTooManyRequests
	if s.faults.has("refuse-503") {
		status = http.StatusServiceUnavailable
	}
	w.Header().Set("Retry-After", "5")
	writeError(w, status, "all slots for runs are busy: try again in 5 s")
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
	return writeJSON(w, http.StatusOK, map[string]string{"run": id, "answer": answer})
}

func (s *server) respondStreaming(w http.ResponseWriter, r *http.Request, id string, req runRequest) error {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("X-Accel-Buffering", "no") // nginx buffers other answers
	out := http.NewResponseController(w)
	var late bytes.Buffer
	defer func() { _, _ = late.WriteTo(w) }()
	event := func(name string, data any) error {
		body, err := json.Marshal(data)
		if err != nil {
			return err
		}
		if s.faults.has("buffer") {
			_, err := fmt.Fprintf(&late, "event: %s\ndata: %s\n\n", name, body)
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
	silence := time.NewTicker(s.heartbeat)
	defer silence.Stop()
	for {
		select {
		case text := <-pieces:
			if err := event("token", map[string]string{"text": text}); err != nil {
				return err
			}
			silence.Reset(s.heartbeat)
		case <-silence.C:
			fmt.Fprint(w, ": heartbeat\n\n")
			if err := out.Flush(); err != nil {
				return err
			}
		case err := <-ended:
			if err != nil {
				return errors.Join(err, event("error", map[string]string{"run": id, "error": err.Error()}))
			}
			if s.faults.has("break-run") {
				return nil
			}
			return event("done", map[string]string{"run": id})
		}
	}
}

// lastScrape is how long after SIGTERM and the longest run the agent still waits for
// Prometheus: 5 s less than the grace period of the chart allows.
const lastScrape = 15 * time.Second

// serve serves until ctx ends, then drains: it keeps accepting requests for
// drainDelay while clients close their connections, closes the API's listener, and
// waits for the last run. The metrics have a listener of their own, which closes only
// after Prometheus has collected the last run; if it is nil, the API serves them, and
// they end with its listener. Only the pod's termination grace period limits how long
// the runs take.
func (s *server) serve(ctx context.Context, listener, metrics net.Listener, drainDelay time.Duration) error {
	var deadline time.Time
	drain := func() {
		deadline = time.Now().Add(s.model.maxRun + lastScrape)
		slog.Info("draining", "runs", len(s.slots), "delay", drainDelay.String())
		s.draining.Store(true)
		s.faults.atSigterm()
		time.Sleep(drainDelay)
		s.faults.holdOn(s.busy)
	}
	api := s.api()
	handler := s.faults.stall(s.limit(s.closeWhenDraining(api)), s.busy)
	if metrics == nil {
		api.Handle("GET /metrics", s.metrics)
		return serveUntil(ctx, listener, handler, drain)
	}
	observed, stop := context.WithCancel(context.WithoutCancel(ctx))
	stopped := make(chan error, 1)
	go func() {
		stopped <- serveUntil(observed, metrics, s.faults.stall(s.limit(s.observability()), func() bool { return false }), func() {})
	}()
	err := serveUntil(ctx, listener, handler, drain)
	s.metrics.awaitScrape(deadline)
	stop()
	return errors.Join(err, <-stopped)
}

// serveUntil serves until ctx ends, calls drain, and returns after the last request.
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
	slog.Info("closed", "address", listener.Addr().String())
	return nil
}

func writeError(w http.ResponseWriter, status int, message string) {
	_ = writeJSON(w, status, map[string]string{"error": message})
}

// writeJSON fails if the client has disconnected or does not read.
func writeJSON(w http.ResponseWriter, status int, body any) error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	return json.NewEncoder(w).Encode(body)
}
