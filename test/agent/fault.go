package main

import (
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// faults are the ways in which a test can break this agent. The zero value is
// a healthy one.
type faults struct {
	slowStart time.Duration
	http      bool
	hang      atomic.Bool
	notReady  atomic.Bool
}

// forever stands for a fault without an end.
const forever = 0

// faultHelp describes --fault.
const faultHelp = `break the agent for a test: NAME or NAME=DURATION, several allowed.
hang (answer nothing, not even SIGTERM), exit (after DURATION), slow-start (listen only after DURATION), not-ready,
burn-cpu (one core), grow-memory (16 MiB a second, kept when DURATION is over); http takes more of them at POST /faults?fault=NAME=DURATION`

var faultKinds = map[string]func(*faults, time.Duration){
	"http":        func(f *faults, _ time.Duration) { f.http = true },
	"slow-start":  func(f *faults, d time.Duration) { f.slowStart = d },
	"hang":        func(f *faults, d time.Duration) { set(&f.hang, d) },
	"not-ready":   func(f *faults, d time.Duration) { set(&f.notReady, d) },
	"exit":        func(_ *faults, d time.Duration) { time.AfterFunc(d, func() { os.Exit(1) }) },
	"burn-cpu":    func(_ *faults, d time.Duration) { go burnCPU(d) },
	"grow-memory": func(_ *faults, d time.Duration) { go growMemory(d) },
}

// start begins the fault that spec names.
func (f *faults) start(spec string) error {
	name, length, timed := strings.Cut(spec, "=")
	begin, known := faultKinds[name]
	if !known {
		return fmt.Errorf("unknown fault %q: use one of %s", name, strings.Join(slices.Sorted(maps.Keys(faultKinds)), ", "))
	}
	var duration time.Duration
	if timed {
		var err error
		if duration, err = time.ParseDuration(length); err != nil {
			return fmt.Errorf("fault %s: %w", name, err)
		}
	}
	slog.Warn("fault", "name", name, "duration", duration.String())
	begin(f, duration)
	return nil
}

// handler takes faults at run time. It is served only under the fault "http".
func (f *faults) handler(w http.ResponseWriter, r *http.Request) {
	if err := f.start(r.FormValue("fault")); err != nil {
		writeError(w, http.StatusBadRequest, err.Error())
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// stall keeps a request of a hanging agent unanswered until its client gives up.
func (f *faults) stall(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f.hang.Load() {
			<-r.Context().Done()
			return
		}
		next.ServeHTTP(w, r)
	})
}

// holdOn keeps a hanging agent from its end: SIGTERM does not wake it.
func (f *faults) holdOn() {
	for f.hang.Load() {
		time.Sleep(100 * time.Millisecond)
	}
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

// held is what growMemory took: a package variable, so that it stays in use.
var held [][]byte

// growMemory takes more each second of the time, and keeps it. What it has taken
// in the end does not depend on how busy the machine is.
func growMemory(d time.Duration) {
	const chunk = 16 << 20
	for i := 0; d == forever || time.Duration(i)*time.Second < d; i++ {
		piece := make([]byte, chunk)
		for i := 0; i < chunk; i += os.Getpagesize() {
			piece[i] = 1 // memory counts only once it is touched
		}
		held = append(held, piece)
		time.Sleep(time.Second)
	}
}
