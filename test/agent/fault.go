package main

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// faults are the ways in which a test can break the agent. The zero value breaks
// nothing.
type faults struct {
	slowStart time.Duration
	// drainLimit ends the agent so long after SIGTERM, if it is not 0.
	drainLimit time.Duration
	// earlyReady is how long runs get 404, beginning with the first one.
	earlyReady time.Duration
	http       bool
	hang       atomic.Bool
	notReady   atomic.Bool
	flaws      sync.Map
}

// flaws are the faults without a duration: each breaks one promise of the contract.
var flaws = []string{
	"break-run", "buffer", "drop-runs", "exit-code", "ignore-sigterm", "keep-accepting", "linger", "queue", "refuse-503", "stall-when-busy", "unready-when-busy",
}

// needs are the faults of an image that does not start as the chart's pods run it.
var needs = map[string]func() error{
	"need-app": func() error { return os.MkdirAll("/app/data", 0o700) },
	"need-root": func() error {
		if os.Getuid() != 0 {
			return errors.New("not root")
		}
		return nil
	},
	"need-home": func() error { return os.MkdirAll(os.Getenv("HOME")+"/.agent", 0o700) },
}

// forever is the duration of a fault that does not end.
const forever = 0

// faultHelp describes --fault.
var faultHelp = `break the agent for a test: NAME or NAME=DURATION, can be repeated.
hang (answer no request and ignore SIGTERM), exit (after DURATION), slow-start (listen only after DURATION), not-ready,
burn-cpu (one core), grow-memory and fill-tmp (16 MiB per second, kept after DURATION); drain-limit (end all runs DURATION after SIGTERM); early-ready (answer 404 to runs for DURATION, beginning with the first); http accepts further faults at POST /faults?fault=NAME=DURATION. To test conform: ` +
	strings.Join(slices.Concat(flaws, slices.Sorted(maps.Keys(needs))), ", ")

var faultKinds = map[string]func(*faults, time.Duration){
	"http":        func(f *faults, _ time.Duration) { f.http = true },
	"drain-limit": func(f *faults, d time.Duration) { f.drainLimit = d },
	"early-ready": func(f *faults, d time.Duration) { f.earlyReady = d },
	"slow-start":  func(f *faults, d time.Duration) { f.slowStart = d },
	"hang":        func(f *faults, d time.Duration) { set(&f.hang, d) },
	"not-ready":   func(f *faults, d time.Duration) { set(&f.notReady, d) },
	"exit":        func(_ *faults, d time.Duration) { time.AfterFunc(d, func() { os.Exit(1) }) },
	"burn-cpu":    func(_ *faults, d time.Duration) { go burnCPU(d) },
	"grow-memory": func(_ *faults, d time.Duration) { go growMemory(d) },
	"fill-tmp":    func(_ *faults, d time.Duration) { go fillTmp(d) },
}

// start starts the fault that spec names.
func (f *faults) start(spec string) error {
	if need, known := needs[spec]; known {
		return need()
	}
	if slices.Contains(flaws, spec) {
		f.flaws.Store(spec, true)
		return nil
	}
	name, length, timed := strings.Cut(spec, "=")
	inject, known := faultKinds[name]
	if !known {
		return fmt.Errorf("unknown fault %q: use one of %s", name, strings.Join(slices.Concat(slices.Sorted(maps.Keys(faultKinds)), flaws, slices.Sorted(maps.Keys(needs))), ", "))
	}
	var duration time.Duration
	if timed {
		var err error
		if duration, err = time.ParseDuration(length); err != nil {
			return fmt.Errorf("fault %s: %w", name, err)
		}
	}
	slog.Warn("fault", "name", name, "duration", duration.String())
	inject(f, duration)
	return nil
}

// handler starts faults at run time. It is served only with the fault http.
func (f *faults) handler(w http.ResponseWriter, r *http.Request) {
	if err := f.start(r.FormValue("fault")); err != nil {
		writeError(w, http.StatusBadRequest, err.Error())
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// has reports whether a flaw was started.
func (f *faults) has(flaw string) bool {
	_, found := f.flaws.Load(flaw)
	return found
}

// stall leaves each request unanswered until its client gives up while the agent hangs,
// or is busy and stalls then.
func (f *faults) stall(next http.Handler, busy func() bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f.hang.Load() || f.has("stall-when-busy") && r.Method == http.MethodGet && busy() {
			<-r.Context().Done()
			return
		}
		next.ServeHTTP(w, r)
	})
}

// early answers runs as a server does that listens before its routes are registered. The
// time begins with the first run, so that a client sees it on a busy machine too.
func (f *faults) early(next http.HandlerFunc) http.HandlerFunc {
	first := sync.OnceValue(time.Now)
	return func(w http.ResponseWriter, r *http.Request) {
		if f.earlyReady > 0 && time.Since(first()) < f.earlyReady {
			writeError(w, http.StatusNotFound, "runs are not registered yet")
			return
		}
		next(w, r)
	}
}

// atSigterm breaks the shutdown.
func (f *faults) atSigterm() {
	if f.has("drop-runs") {
		os.Exit(0)
	}
	if f.drainLimit > 0 {
		time.AfterFunc(f.drainLimit, func() { os.Exit(0) })
	}
}

// holdOn delays the shutdown of an agent that hangs, ignores SIGTERM, or accepts requests
// as long as it has runs: SIGTERM does not end the fault.
func (f *faults) holdOn(busy func() bool) {
	for f.hang.Load() || f.has("ignore-sigterm") || f.has("keep-accepting") && busy() {
		time.Sleep(100 * time.Millisecond)
	}
}

// atEnd breaks the end of the process.
func (f *faults) atEnd(err error) error {
	if f.has("linger") {
		select {}
	}
	if err == nil && f.has("exit-code") {
		return &exitError{code: 3}
	}
	return err
}

func set(flag *atomic.Bool, d time.Duration) {
	flag.Store(true)
	if d != forever {
		time.AfterFunc(d, func() { flag.Store(false) })
	}
}

func burnCPU(d time.Duration) {
	for start := time.Now(); d == forever || time.Since(start) < d; {
	}
}

// held is the memory of growMemory: a package variable keeps it in use.
var held [][]byte

// growMemory allocates a chunk for each second of d and keeps them all.
func growMemory(d time.Duration) {
	eachSecond(d, func() {
		piece := make([]byte, chunk)
		for i := 0; i < chunk; i += os.Getpagesize() {
			piece[i] = 1 // memory is used only once it is written to
		}
		held = append(held, piece)
	})
}

// fillTmp writes a chunk for each second of d to one file, as a run with large downloads
// does.
func fillTmp(d time.Duration) {
	file, err := os.CreateTemp("", "fill-")
	if err != nil {
		slog.Error("fault", "name", "fill-tmp", "error", err.Error())
		return
	}
	piece := make([]byte, chunk)
	eachSecond(d, func() {
		if _, err := file.Write(piece); err != nil {
			slog.Error("fault", "name", "fill-tmp", "error", err.Error())
		}
	})
}

const chunk = 16 << 20

// eachSecond takes a step for each second of d. The number of steps does not depend on
// how busy the machine is.
func eachSecond(d time.Duration, step func()) {
	for i := 0; d == forever || time.Duration(i)*time.Second < d; i++ {
		step()
		time.Sleep(time.Second)
	}
}
