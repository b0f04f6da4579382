package conform

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"example.com/ai-agent/test/internal/report"
)

// Measures returns what was seen, for people.
func (t Test) Measures(seen Observation) []report.Measure {
	var measures []report.Measure
	add := func(name, format string, values ...any) {
		measures = append(measures, report.Measure{Name: name, Value: fmt.Sprintf(format, values...)})
	}
	if t.URL == "" && seen.Start.Failed == "" {
		add("ready after", "%s", seconds(seen.Start.Took))
	}
	if seen.Start.Init != "" {
		add("PID 1", "%s", seen.Start.Init)
	}
	if b := seen.Busy; b != nil {
		add(fmt.Sprintf("%d runs at once", len(b.Runs)), "%s", b.outcomes())
		if run := b.first(); run != nil {
			add("first chunk", "after %s of %s", seconds(run.First), seconds(run.Took))
		}
		add("probes meanwhile", "%d of %d failed", b.Ready.Failed+b.Live.Failed, b.Ready.Sent+b.Live.Sent)
	}
	if d := seen.Idle; d != nil {
		add("SIGTERM without a run", "%s", d.ending())
	}
	if d := seen.Drain; d != nil && d.Run != nil {
		add("SIGTERM during a run", "run %s %s; %s", d.Run.Outcome, d.when(), d.ending())
		add("new clients", "answered until %s after SIGTERM", seconds(d.Accepted))
		add("grace period used", "%s of %s", seconds(min(t.Grace, d.Waited+d.Exited)), seconds(t.Grace))
	}
	return measures
}

// when says when the run ended.
func (d *Drain) when() string {
	if d.RunEnded < 0 {
		return seconds(-d.RunEnded) + " before SIGTERM"
	}
	return seconds(d.RunEnded) + " after SIGTERM"
}

func (d *Drain) ending() string {
	if d.Killed {
		return fmt.Sprintf("still running %s after SIGTERM", seconds(d.Exited))
	}
	return fmt.Sprintf("exit code %d after %s", d.Exit, seconds(d.Exited))
}

// outcomes counts runs by how they ended.
func (b *Busy) outcomes() string {
	var counts []string
	for _, outcome := range []Outcome{Done, Interrupted, Failed, Refused, Unreachable, Abandoned} {
		if count := b.count(outcome); count > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", count, outcome))
		}
	}
	return strings.Join(counts, ", ")
}

// first returns the run whose answer began first, of those that were completed.
func (b *Busy) first() *Run {
	done := slices.DeleteFunc(slices.Clone(b.Runs), func(r Run) bool { return r.Outcome != Done })
	if len(done) == 0 {
		return nil
	}
	run := slices.MinFunc(done, func(a, b Run) int { return cmp.Compare(a.First, b.First) })
	return &run
}

// shortest returns how long the shortest run took that was completed.
func (b *Busy) shortest() time.Duration {
	var shortest time.Duration
	for _, run := range b.Runs {
		if run.Outcome == Done && (shortest == 0 || run.Took < shortest) {
			shortest = run.Took
		}
	}
	return shortest
}

// streams reports whether the answer began long before it ended.
func (r Run) streams() bool { return r.First < r.Took/2 || r.Took < time.Second }

// seconds writes a duration for people.
func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
