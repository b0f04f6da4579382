package conform

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Test is how an agent is observed.
type Test struct {
	Agent
	Protocol *Protocol
	Length   time.Duration // of the run that a termination meets
	Runs     int           // at the same time, to see an agent that is busy
	Start    time.Duration // that the agent may take to start
	Patience time.Duration // for a run that nothing disturbs; 0: what Length needs
	// FromValues says that the chart's values made the agent what it is.
	FromValues bool
	Progress   func(string) // is told what happens next; may be nil
}

// Observation is what was seen of an agent.
type Observation struct {
	Start     Start
	Idle      *Drain // of an agent without a run
	Busy      *Busy
	Drain     *Drain // of an agent with a run
	Unbounded *Run   // of an agent whose budget is much shorter than the run
}

// Start is how an agent started.
type Start struct {
	Failed    string // why it did not become ready; empty if it did
	Took      time.Duration
	Init      string // command line of process 1, without secrets
	IsInit    bool   // whether it really is process 1
	Listeners []listener
	Logs      string // the end of what it wrote, if it did not become ready
	Relaxed   []Relaxation
	Written   []string // paths that it created, if its root file system had to be writable
}

// Drain is the termination of an agent. Durations begin with SIGTERM.
type Drain struct {
	Run       *Run          // that was in progress
	Waited    time.Duration // before SIGTERM
	Refused   bool          // whether a client was refused before SIGTERM
	Accepted  time.Duration // until when new clients were answered
	RunEnded  time.Duration // negative, if the run had ended before SIGTERM
	Measured  bool          // whether metrics were to be had at all
	Metrics   time.Duration // until when
	Exited    time.Duration
	Exit      int
	Killed    bool // it had not ended by itself
	Lingering bool // it was still there long after its last run
}

// Busy is an agent that does several runs at once.
type Busy struct {
	Runs  []Run
	Ready Probes
	Live  Probes
}

// Probes are requests as the kubelet sends them.
type Probes struct {
	Sent, Failed int
	Row          int    // how many failed in a row
	Why          string // the last one failed
}

// Shutdown is how long an agent may take after its last run: the chart's grace period allows
// for it.
const Shutdown = 20 * time.Second

// How the kubelet probes, with the chart's default values, and how long each part of the
// observation takes.
const (
	probeTimeout  = 5 * time.Second
	pollInterval  = 250 * time.Millisecond
	idleShutdown  = 15 * time.Second
	firstSign     = 2 * time.Second
	busyLength    = 10 * time.Second
	shortBudget   = 5 * time.Second
	shortPatience = 9 * time.Second
)

// Observe starts the agent several times, asks it for runs, terminates it, and returns
// what was seen. The error says why the agent cannot be judged.
func (t Test) Observe(ctx context.Context) (Observation, error) {
	var seen Observation
	t.say("starting the agent")
	first, err := t.settle(ctx, &seen.Start)
	if err != nil {
		return seen, err
	}
	defer first.stop()
	if seen.Start.Failed != "" && t.URL != "" {
		return seen, fmt.Errorf("the agent at %s does not answer: %s", RedactedURL(t.URL), seen.Start.Failed)
	}
	if seen.Start.Failed != "" {
		return seen, nil
	}
	for _, relaxed := range seen.Start.Relaxed {
		relaxed.apply(&t.Agent)
	}
	if t.URL != "" {
		t.say("asking for runs")
		seen.Busy = t.busy(ctx, first)
		return seen, ctx.Err()
	}
	t.say("asking for runs, and terminating the agent during one")
	errs := t.run(
		func() error { seen.Idle = t.terminate(ctx, first, nil, idleShutdown); return nil },
		func() (err error) { seen.Busy, err = with(ctx, t, t.busy); return err },
		func() (err error) { seen.Unbounded, err = t.unbounded(ctx); return err },
		func() (err error) { seen.Drain, err = with(ctx, t, t.drain); return err },
	)
	return seen, errors.Join(append(errs, ctx.Err())...)
}

// run runs experiments: at once, if several agents can run at once.
func (t Test) run(experiments ...func() error) []error {
	errs := make([]error, len(experiments))
	var running sync.WaitGroup
	for n, experiment := range experiments {
		running.Go(func() { errs[n] = experiment() })
		if !t.parallel() {
			running.Wait()
		}
	}
	running.Wait()
	return errs
}

// parallel reports whether several agents can run at once: processes that listen on one
// port cannot.
func (t Test) parallel() bool { return t.Image != "" || t.Port == 0 }

func (t Test) say(what string) {
	if t.Progress != nil {
		t.Progress(what)
	}
}

// with calls observe with an agent that is ready. The error says that the agent did not
// start again: then, nothing is known.
func with[T any](ctx context.Context, t Test, observe func(context.Context, instance) *T) (*T, error) {
	i, err := t.start(ctx)
	if err != nil {
		return nil, err
	}
	defer i.stop()
	if why := t.awaitReady(ctx, i); why != "" {
		return nil, fmt.Errorf("the agent started once, but not again within %s (--start-timeout): %s", seconds(t.Start), why)
	}
	return observe(ctx, i), nil
}

// awaitReady waits until the readiness probe succeeds, and returns why it did not.
func (t Test) awaitReady(ctx context.Context, i instance) string {
	ctx, cancel := context.WithTimeout(ctx, t.Start)
	defer cancel()
	why := "it gave no answer"
	for ctx.Err() == nil {
		select {
		case <-i.ended():
			return "it ended with exit code " + itoa(i.exit().Code)
		default:
		}
		if why = t.probe(ctx, i.url(), t.ReadyPath); why == "" {
			return ""
		}
		sleep(ctx, pollInterval/5)
	}
	return why
}

// probe sends a request as the kubelet does, on a new connection, and returns why it
// failed. Without a path, any answer will do.
func (t Test) probe(ctx context.Context, url, path string) string {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	response, err := request(ctx, url, path)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	if path != "" && response.StatusCode >= http.StatusBadRequest {
		return "it answered " + response.Status
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, lineLimit)) // the status says enough
	return ""
}

// request sends a GET request on a new connection.
func request(ctx context.Context, url, path string) (*http.Response, error) {
	get, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(url, "/")+"/"+strings.TrimPrefix(path, "/"), nil)
	if err != nil {
		return nil, err
	}
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return client.Do(get)
}

// busy asks for several runs at once, and probes the agent meanwhile.
func (t Test) busy(ctx context.Context, i instance) *Busy {
	length := min(t.Length, busyLength)
	busy, patience := &Busy{Runs: make([]Run, t.Runs)}, max(t.Patience, t.Length+Shutdown)
	first := t.firstRun(ctx, i, length, patience, 0)
	defer first.cancel()
	asking, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var runs sync.WaitGroup
	runs.Go(func() { busy.Runs[0] = (<-first.ended).Run })
	for n := 1; n < t.Runs; n++ {
		runs.Go(func() { busy.Runs[n] = t.Protocol.Ask(asking, i.url(), length, nil) })
	}
	probing, stop := context.WithCancel(ctx)
	var probes sync.WaitGroup
	probes.Go(func() { t.keepProbing(probing, i, t.ReadyPath, &busy.Ready) })
	probes.Go(func() { t.keepProbing(probing, i, t.LivePath, &busy.Live) })
	runs.Wait()
	stop()
	probes.Wait()
	return busy
}

func (t Test) keepProbing(ctx context.Context, i instance, path string, probes *Probes) {
	for row := 0; sleep(ctx, pollInterval); {
		why := t.probe(ctx, i.url(), path)
		if ctx.Err() != nil {
			return
		}
		probes.Sent++
		if why == "" {
			row = 0
			continue
		}
		row++
		probes.Failed, probes.Row, probes.Why = probes.Failed+1, max(probes.Row, row), why
	}
}

// unbounded asks an agent with a short budget for a run that takes longer.
func (t Test) unbounded(ctx context.Context) (*Run, error) {
	t.Env = extended(t.Env, "MAX_RUN_SECONDS", itoa(int(shortBudget.Seconds())))
	return with(ctx, t, func(ctx context.Context, i instance) *Run {
		run := t.firstRun(ctx, i, t.Length, shortPatience, 0)
		defer run.cancel()
		ended := <-run.ended
		return &ended.Run
	})
}

// drain terminates an agent that has a run.
func (t Test) drain(ctx context.Context, i instance) *Drain {
	// The client waits at least until the end of the grace period.
	run := t.firstRun(ctx, i, t.Length, t.Length+t.Grace+Shutdown, 1)
	defer run.cancel()
	return t.terminate(ctx, i, run, t.Grace)
}

// endedRun is a run, and when it ended.
type endedRun struct {
	Run
	at time.Time
}

// ongoing is a run that was asked for.
type ongoing struct {
	ended  chan endedRun
	cancel func() // lets the client give up
}

// terminate does what the kubelet does: it runs the preStop hook, sends SIGTERM, and
// SIGKILL after the grace period. The run is nil if there is none.
func (t Test) terminate(ctx context.Context, i instance, run *ongoing, grace time.Duration) *Drain {
	d := &Drain{}
	begin := time.Now()
	watch := t.watch(ctx, i)
	defer watch.stop()
	var ended chan endedRun
	if run != nil {
		ended = run.ended
		t.preStop(ctx, i)
	}
	d.Refused = watch.refused()
	sent := time.Now()
	d.Waited = sent.Sub(begin)
	_ = i.terminate() // fails only if it has ended
	deadline, lingers := time.After(grace-d.Waited), (<-chan time.Time)(nil)
	for waiting := true; waiting; {
		select {
		case <-i.ended():
			waiting = false
		case run := <-ended:
			d.Run, d.RunEnded, ended = &run.Run, run.at.Sub(sent), nil
			lingers = time.After(Shutdown)
		case <-lingers:
			d.Lingering, d.Killed, waiting = true, true, false
		case <-deadline:
			d.Killed, waiting = true, false
		case <-ctx.Done():
			waiting = false
		}
	}
	d.Accepted, d.Metrics, d.Measured = watch.until(sent)
	i.stop()
	d.Exited, d.Exit = i.exit().At.Sub(sent), i.exit().Code
	if ended == nil {
		return d
	}
	defer time.AfterFunc(pollInterval, run.cancel).Stop() // a proxy may keep the connection
	last := <-ended
	d.Run, d.RunEnded = &last.Run, last.at.Sub(sent)
	return d
}

// preStop runs the hook that delays SIGTERM.
func (t Test) preStop(ctx context.Context, i instance) {
	ctx, cancel := context.WithTimeout(ctx, t.Grace)
	defer cancel()
	if len(t.PreStop) > 0 {
		_ = i.exec(ctx, t.PreStop) // the kubelet goes on, too, if a hook fails
		return
	}
	sleep(ctx, t.Delay)
}

// watcher probes an agent while it is terminated.
type watcher struct {
	stop                       func()
	mutex                      sync.Mutex
	failed                     bool
	lastAnswered, lastMeasured time.Time
}

func (t Test) watch(ctx context.Context, i instance) *watcher {
	ctx, cancel := context.WithCancel(ctx)
	w := &watcher{stop: cancel}
	go w.each(ctx, func() func() {
		answered, refused := arrives(ctx, i.url())
		return func() {
			w.failed = w.failed || refused
			if answered {
				w.lastAnswered = time.Now()
			}
		}
	})
	if t.MetricsPath == "" {
		return w
	}
	go w.each(ctx, func() func() {
		why := t.probe(ctx, i.metricsURL(), t.MetricsPath)
		return func() {
			if why == "" {
				w.lastMeasured = time.Now()
			}
		}
	})
	return w
}

// each asks again and again, and notes what was answered.
func (w *watcher) each(ctx context.Context, ask func() (note func())) {
	for sleep(ctx, pollInterval) {
		note := ask()
		if ctx.Err() != nil {
			return
		}
		w.mutex.Lock()
		note()
		w.mutex.Unlock()
	}
}

// arrives reports whether a new client is served, and whether it is refused: an agent
// that is busy may do neither in time.
func arrives(ctx context.Context, url string) (answered, refused bool) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	response, err := request(ctx, url, "")
	if err != nil {
		return false, ctx.Err() == nil
	}
	defer response.Body.Close()
	return response.StatusCode != http.StatusServiceUnavailable, response.StatusCode == http.StatusServiceUnavailable
}

func (w *watcher) refused() bool {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.failed
}

// until returns how long after a time there were answers.
func (w *watcher) until(since time.Time) (answered, measured time.Duration, ever bool) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return max(0, w.lastAnswered.Sub(since)), max(0, w.lastMeasured.Sub(since)), !w.lastMeasured.IsZero()
}

// sleep reports whether the context lasted as long.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
