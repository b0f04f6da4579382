package conform

import (
	"context"
	"net/http"
	"slices"
	"time"
)

// How long an agent that is ready may refuse its first run, and how often it is asked.
const (
	servingPatience = 15 * time.Second
	askInterval     = 200 * time.Millisecond
)

// earlyAnswers are those of a server whose routes are not registered yet, or of the proxy
// in front of it.
var earlyAnswers = []int{http.StatusNotFound, http.StatusBadGateway, http.StatusServiceUnavailable}

// turnedAway reports whether the agent did not even begin the run.
func (r Run) turnedAway() bool {
	refused := r.Outcome == Failed || r.Outcome == Refused
	return r.Outcome == Unreachable || refused && slices.Contains(earlyAnswers, r.Status)
}

// firstRun asks an agent that has just become ready for a run, again and again if it turns
// the client away. It returns once so many chunks of the answer have arrived (0: the status
// line), the run has ended, or it seems to go on without a sign. The client gives up after
// its patience.
func (t Test) firstRun(ctx context.Context, i instance, length, patience time.Duration, chunks int) *ongoing {
	ready := time.Now()
	var late time.Duration
	var why string
	for {
		asking, cancel := context.WithTimeout(ctx, patience)
		began, run := make(chan struct{}), &ongoing{make(chan endedRun, 1), cancel}
		go func() {
			seen := t.Protocol.Ask(asking, i.url(), length, func(chunk int) {
				if chunk == chunks {
					close(began)
				}
			})
			if !seen.turnedAway() {
				seen.Late, seen.LateWhy = late, why
			}
			run.ended <- endedRun{seen, time.Now()}
		}()
		select {
		case <-began:
			return run
		case <-t.silent(asking, i, min(length/2, servingPatience)):
			return run
		case ended := <-run.ended:
			run.ended <- ended
			if !ended.turnedAway() || !t.mayServe(ctx, i, ready) {
				return run
			}
			cancel()
			late, why = time.Since(ready), ended.Why
		}
	}
}

// silent tells when a run without an answer can be taken to go on: not every agent streams.
// While the agent starts, it may be too busy to refuse a run, so it must first have answered
// a later request, and have had time for the refusal. If that takes too long, its runs may
// keep it from answering.
func (t Test) silent(ctx context.Context, i instance, limit time.Duration) <-chan struct{} {
	probing, stop := context.WithTimeout(ctx, max(limit, firstSign))
	go func() {
		defer stop()
		for sleep(probing, firstSign/2) && t.probe(probing, i.url(), "") != "" {
		}
		sleep(probing, firstSign/2)
	}()
	return probing.Done()
}

// mayServe waits a moment, and reports whether an agent that refuses runs should be asked
// again. One that runs already, at a URL, has had its time.
func (t Test) mayServe(ctx context.Context, i instance, ready time.Time) bool {
	if t.URL != "" || time.Since(ready) > servingPatience {
		return false
	}
	select {
	case <-i.ended():
		return false
	case <-ctx.Done():
		return false
	case <-time.After(askInterval):
		return true
	}
}
