package bench

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"example.com/ai-agent/test/agent/output"
)

// numbers writes 1234 as 1,234.
var numbers = message.NewPrinter(language.English)

// Own is the subject that is this repository's chart. The others are what it is compared
// with.
const Own = "ai-agent"

// Verdict is what disturbances cost the clients. Only valid scenarios are counted, except
// in Before and Invalid.
type Verdict struct {
	Scenarios      int
	InFlight       int // runs that a client waited for when the disturbance began
	Interrupted    int // of these, those that did not end with output.Done
	Later          int // runs that began after that
	LaterLost      int // of these
	Requests       int // short requests during and after the disturbance
	RequestsFailed int // of these
	Before         Before
	Invalid        []string // why scenarios prove nothing: one reason each
}

// Before is what clients saw before the disturbance, which therefore cannot have caused it.
type Before struct {
	Runs, RunsLost, Requests, RequestsFailed int
}

// Lost reports whether the run ended with another outcome than output.Done.
func (r Run) Lost() bool { return r.Outcome != output.Done }

// Before reports whether a run ended before the disturbance.
func (s Scenario) Before(r Run) bool { return r.End < s.Disturbed }

// Failed returns how many short requests of a kind failed during and after the disturbance.
func (s Scenario) Failed(kind output.Kind) (count int) {
	for _, second := range s.Requests {
		if second.Kind == kind && second.At > s.Disturbed {
			count += second.Failed
		}
	}
	return count
}

// Verdict counts what the disturbance cost.
func (s Scenario) Verdict() Verdict {
	v := Verdict{Scenarios: 1}
	for _, run := range s.Runs {
		switch {
		case s.Before(run):
			count(&v.Before.Runs, &v.Before.RunsLost, run.Lost())
		case run.Start <= s.Disturbed:
			count(&v.InFlight, &v.Interrupted, run.Lost())
		default:
			count(&v.Later, &v.LaterLost, run.Lost())
		}
	}
	for _, second := range s.Requests {
		// At is the end of the second, so the second in which the disturbance began counts as after it.
		if second.At <= s.Disturbed {
			v.Before.Requests += second.Sent
			v.Before.RequestsFailed += second.Failed
			continue
		}
		v.Requests += second.Sent
		v.RequestsFailed += second.Failed
	}
	if reason := s.invalid(v); reason != "" {
		return Verdict{Before: v.Before, Invalid: []string{reason}}
	}
	return v
}

// invalid says why the scenario proves nothing. A run whose end was not recorded must not
// count as uninterrupted.
func (s Scenario) invalid(v Verdict) string {
	switch {
	case s.Invalid != "":
		return s.Invalid
	case v.InFlight < s.InFlight:
		return fmt.Sprintf("clients recorded the end of only %d of the %d runs in flight", v.InFlight, s.InFlight)
	case v.InFlight == 0:
		return "no run was in flight"
	default:
		return ""
	}
}

func count(all, lost *int, isLost bool) {
	*all++
	if isLost {
		*lost++
	}
}

// Add returns the sum of two verdicts.
func (v Verdict) Add(other Verdict) Verdict {
	v.Scenarios += other.Scenarios
	v.InFlight += other.InFlight
	v.Interrupted += other.Interrupted
	v.Later += other.Later
	v.LaterLost += other.LaterLost
	v.Requests += other.Requests
	v.RequestsFailed += other.RequestsFailed
	v.Before.Runs += other.Before.Runs
	v.Before.RunsLost += other.Before.RunsLost
	v.Before.Requests += other.Before.Requests
	v.Before.RequestsFailed += other.Before.RequestsFailed
	v.Invalid = slices.Concat(v.Invalid, other.Invalid)
	return v
}

// Lost reports whether the disturbances cost clients anything.
func (v Verdict) Lost() bool { return v.Interrupted+v.LaterLost+v.RequestsFailed > 0 }

// Proven reports whether there is a valid scenario: without one, the counts say nothing.
func (v Verdict) Proven() bool { return v.Scenarios > 0 }

// notRun is the word of a verdict of nothing.
const notRun = "not run"

// Word is the verdict in a word or two.
func (v Verdict) Word() string {
	switch {
	case v.Proven() && v.Lost():
		return "loss"
	case v.Proven():
		return "no loss"
	case len(v.Invalid) > 0:
		return "invalid"
	default:
		return notRun
	}
}

// Lines returns the counts in plain words, and why scenarios are invalid.
func (v Verdict) Lines() []string {
	var lines []string
	if v.Proven() {
		counts := v.counts()
		lines = append(lines, counts[0]+" runs", counts[1]+" later runs", counts[2]+" requests")
	}
	for _, reason := range unique(v.Invalid) {
		if v.Proven() {
			reason = "invalid: " + reason
		}
		lines = append(lines, reason)
	}
	return lines
}

// counts says how many runs, later runs and requests were lost. The texts are empty without a
// valid scenario.
func (v Verdict) counts() []string {
	if !v.Proven() {
		return make([]string, 3)
	}
	of := func(lost, all int) string { return numbers.Sprintf("%d of %d", lost, all) }
	return []string{of(v.Interrupted, v.InFlight), of(v.LaterLost, v.Later), of(v.RequestsFailed, v.Requests)}
}

// Table compares subjects (rows) under disturbances (columns).
type Table struct {
	Disturbances []string
	Rows         []Row
}

// Row is a subject that clients reach by one route.
type Row struct {
	Subject, Route string
	Cells          []Verdict // as Table.Disturbances
	Total          Verdict
}

// Table sums the scenarios of each subject, route and disturbance. Rows and columns are in
// the order of the scenarios.
func (r Result) Table() Table {
	var t Table
	for _, s := range r.Scenarios {
		if !slices.Contains(t.Disturbances, s.Disturbance) {
			t.Disturbances = append(t.Disturbances, s.Disturbance)
		}
		if t.row(s) < 0 {
			t.Rows = append(t.Rows, Row{Subject: s.Subject, Route: s.Route})
		}
	}
	for i := range t.Rows {
		t.Rows[i].Cells = make([]Verdict, len(t.Disturbances))
	}
	for _, s := range r.Scenarios {
		row, verdict := &t.Rows[t.row(s)], s.Verdict()
		cell := &row.Cells[slices.Index(t.Disturbances, s.Disturbance)]
		*cell = cell.Add(verdict)
		if !s.Unsurvivable {
			row.Total = row.Total.Add(verdict)
		}
	}
	return t
}

func (t Table) row(s Scenario) int {
	return slices.IndexFunc(t.Rows, func(row Row) bool { return row.Subject == s.Subject && row.Route == s.Route })
}

// Total sums all rows of this repository's chart, or all others. Rows of this chart without
// a protection are in neither.
func (t Table) Total(own bool) Verdict {
	var total Verdict
	for _, row := range t.Rows {
		if strings.Contains(row.Subject, " without ") {
			continue
		}
		if IsOwn(row.Subject) == own {
			total = total.Add(row.Total)
		}
	}
	return total
}

// Headline is the result in one line.
func (t Table) Headline() string {
	own, others := t.Total(true), t.Total(false)
	var parts []string
	add := func(v Verdict, subject string) {
		if !v.Proven() {
			return
		}
		lost := ""
		if len(parts) == 0 {
			lost = " lost"
		}
		parts = append(parts, numbers.Sprintf("%d of %d runs and %d of %d requests%s with %s",
			v.Interrupted+v.LaterLost, v.InFlight+v.Later, v.RequestsFailed, v.Requests, lost, subject))
	}
	add(own, Own)
	add(others, "other manifests")
	if len(parts) == 0 {
		return "No scenario was valid"
	}
	return strings.Join(parts, ", ")
}

// unique removes duplicates and keeps the order.
func unique(all []string) (once []string) {
	for _, s := range all {
		if !slices.Contains(once, s) {
			once = append(once, s)
		}
	}
	return once
}
