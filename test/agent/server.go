package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
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
	sockets      sync.WaitGroup // of the WebSockets, which net/http does not wait for

	metrics *metrics
}

// podHeader names the pod that answers.
const podHeader = "X-Pod"

func named(next http.Handler) http.Handler {
	pod, _ := os.Hostname() // empty if it is unknown
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(podHeader, pod)
		next.ServeHTTP(w, r)
	})
}

// api serves runs and the probes. It ends with the drain: see serve.
func (s *server) api() *http.ServeMux {
	mux := s.probes()
	mux.HandleFunc("POST /v1/runs", s.faults.early(s.run))
	mux.HandleFunc("GET /v1/runs", s.runWebSocket)
	s.handleGRPC(mux)
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
	// Stream takes precedence over ENABLE_STREAMING.
	Stream *bool `json:"stream,omitempty"`
}

// parseRun returns the run that a client asks for.
func parseRun(body []byte) (req runRequest, err error) {
	if err := json.Unmarshal(body, &req); err != nil {
		return req, fmt.Errorf(`the body must be JSON such as {"task": "summarize the report"}: %w`, err)
	}
	if req.Task == "" || req.MaxTokens < 0 {
		return req, errors.New("task must not be empty, max_tokens must not be negative")
	}
	return req, nil
}

const longestRequest = 1 << 20

// receive reads a request to its end: see limitRun. If that fails it answers the request.
//
// It delays the first byte of the answer. A proxy built on Go's net/http, such as Traefik,
// interrupts an answer that arrives before the proxy has read the end of the
// request (https://go.dev/issue/40747). A stream can start that early: without the
// delay one run in five was interrupted.
func (s *server) receive(w http.ResponseWriter, r *http.Request) (body []byte, ok bool) {
	time.Sleep(s.patience)
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, longestRequest))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		w.Header().Set("Connection", "close")
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(lastWords)) // the deadline of both has passed
		writeError(w, http.StatusRequestTimeout, "the request did not arrive within "+s.timeout.String())
		return nil, false
	}
	if err != nil {
		writeError(w, http.StatusBadRequest, "the body is incomplete or too large: "+err.Error())
		return nil, false
	}
	return body, true
}

// run answers one task: with the server-sent events started, token… and done or
// error, or, without streaming, with one JSON object at the end. While
// all slots are busy it answers 429, and the agent stays ready: a Deployment that
// scales down removes unready pods first.
func (s *server) run(w http.ResponseWriter, r *http.Request) {
	body, ok := s.receive(w, r)
	if !ok {
		return
	}
	req, err := parseRun(body)
	if err != nil {
		writeError(w, http.StatusBadRequest, err.Error())
		return
	}
	if !s.takeSlot() {
		s.refuse(w)
		return
	}
	defer s.freeSlot()
	s.limitRun(w)
	stream := s.model.stream
	if req.Stream != nil {
		stream = *req.Stream
	}
	_ = s.track(r.Context(), func(id string) error {
		if stream {
			return s.respond(r.Context(), id, req, newSSE(w))
		}
		return s.respondWhole(w, r, id, req)
	})
}

// track logs a run and counts it in the metrics.
func (s *server) track(ctx context.Context, respond func(id string) error) error {
	id, start := uuid.NewString(), time.Now()
	log := slog.With("run", id)
	log.Info("run started")
	s.metrics.inFlight.Inc()
	err := respond(id)
	outcome := outcomeOf(ctx, err)
	s.metrics.ended(outcome, s.model.name, time.Since(start), err)
	log.Info("run ended", "outcome", outcome, "seconds", time.Since(start).Seconds(), "error", err)
	return err
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

func (s *server) freeSlot() { <-s.slots }

const allBusy = "all slots for runs are busy: try again in 5 s"

// refuse answers a run for which there is no slot.
func (s *server) refuse(w http.ResponseWriter) {
	s.metrics.runs.WithLabelValues(refused).Inc()
	status := http.StatusTooManyRequests
	if s.faults.has("refuse-503") {
		status = http.StatusServiceUnavailable
	}
	w.Header().Set("Retry-After", "5")
	writeError(w, status, allBusy)
}

func outcomeOf(ctx context.Context, err error) string {
	switch {
	case err == nil:
		return completed
	case errors.Is(err, errOverBudget):
		return overBudget
	case errors.Is(err, errGone), ctx.Err() != nil:
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

// sink is the client of a run that is streamed.
type sink interface {
	send(event) error
	// heartbeat keeps a silent stream alive.
	heartbeat() error
}

// errGone is the error of a sink.
var errGone = errors.New("the client has disconnected or does not read")

// respond streams a run. The events are numbered from 1; the last one is done or error.
func (s *server) respond(ctx context.Context, id string, req runRequest, to sink) error {
	last, late := 0, []event(nil)
	defer func() {
		for _, e := range late {
			_ = to.send(e)
		}
	}()
	send := func(e event) error {
		last++
		e.ID = last
		if s.faults.has("buffer") {
			late = append(late, e)
			return nil
		}
		if err := to.send(e); err != nil {
			return fmt.Errorf("%w: %w", errGone, err)
		}
		return nil
	}
	if err := send(event{Name: eventStarted, Run: id}); err != nil {
		return err
	}

	ctx, cancel := context.WithCancel(ctx)
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
			if err := send(event{Name: eventToken, Text: text}); err != nil {
				return err
			}
			silence.Reset(s.heartbeat)
		case <-silence.C:
			if err := to.heartbeat(); err != nil {
				return fmt.Errorf("%w: %w", errGone, err)
			}
		case err := <-ended:
			if err != nil {
				return errors.Join(err, send(event{Name: eventError, Run: id, Error: err.Error()}))
			}
			if s.faults.has("break-run") {
				return nil
			}
			return send(event{Name: eventDone, Run: id})
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
	handler := named(s.faults.stall(s.limit(s.closeWhenDraining(api)), s.busy))
	if metrics == nil {
		api.Handle("GET /metrics", s.metrics)
		err := serveUntil(ctx, listener, handler, drain)
		s.sockets.Wait()
		return err
	}
	observed, stop := context.WithCancel(context.WithoutCancel(ctx))
	stopped := make(chan error, 1)
	go func() {
		stopped <- serveUntil(observed, metrics, named(s.faults.stall(s.limit(s.observability()), func() bool { return false })), func() {})
	}()
	err := serveUntil(ctx, listener, handler, drain)
	s.sockets.Wait()
	s.metrics.awaitScrape(deadline)
	stop()
	return errors.Join(err, <-stopped)
}

// serveUntil serves until ctx ends, calls drain, and returns after the last request.
func serveUntil(ctx context.Context, listener net.Listener, handler http.Handler, drain func()) error {
	web := &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, Protocols: &http.Protocols{},
		// Over HTTP/2 a stream has a deadline, but its connection has none: a client that reads
		// nothing would keep its run and the shutdown. The time starts again as long as the kernel
		// accepts a byte: three times until its buffers are full.
		HTTP2: &http.HTTP2Config{WriteByteTimeout: 5 * time.Second},
	}
	web.Protocols.SetHTTP1(true)
	web.Protocols.SetUnencryptedHTTP2(true) // for gRPC
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
