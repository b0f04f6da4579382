// Package output is what `agent ask` and `agent check` tell the programs that
// call them: the JSON of --output json, and the exit codes.
package output

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Outcome is how a run ended for the client that asked for it.
type Outcome string

// The outcomes of a run.
const (
	Done        Outcome = "done"
	Interrupted Outcome = "interrupted" // the connection or the stream ended before the run did
	Refused     Outcome = "refused"     // an HTTP answer other than 200
	Unreachable Outcome = "unreachable" // no HTTP answer at all
	Failed      Outcome = "failed"      // the agent reported an error: its model's, or its budget is spent
)

// Exit codes other than those of outcomes.
const (
	ExitUsage       = 1 // of every command: the command line or the configuration is wrong
	ExitCheckFailed = 2 // of `agent check`
)

// ExitCode returns the exit code of `agent ask` after a run with this outcome.
func (o Outcome) ExitCode() int {
	switch o {
	case Done:
		return 0
	case Interrupted:
		return 3
	case Refused:
		return 4
	case Unreachable:
		return 5
	default:
		return 6
	}
}

// The names of events.
const (
	Started = "started" // the agent accepted the run
	Token   = "token"
	Ended   = "ended" // the last event of each run, whether or not it started
)

// Event is a line that `agent ask` prints.
type Event struct {
	Event string `json:"event"`
	Run   string `json:"run,omitempty"`  // the agent's ID of it
	Text  string `json:"text,omitempty"` // of the event token
	*End         // of the event ended
}

// End is how a run ended.
type End struct {
	Outcome Outcome `json:"outcome"`
	Tokens  int     `json:"tokens"` // how many of them arrived
	Error   string  `json:"error"`  // empty after Done
}

// Run is one run as its events told it.
type Run struct {
	ID   string
	Text string // the answer as far as it arrived
	End         // its Outcome is empty while the run continues
}

// ReadRuns returns the runs that are in the output of `agent ask`, in order. The
// last one may still continue. Tokens counts what arrived so far.
func ReadRuns(out []byte) ([]Run, error) {
	var runs []Run
	current := -1 // index of the run that continues
	for line := range bytes.Lines(out) {
		var event Event
		if err := json.Unmarshal(line, &event); err != nil {
			return runs, fmt.Errorf("not a line of agent ask --output json: %q: %w", line, err)
		}
		if current < 0 {
			runs = append(runs, Run{})
			current = len(runs) - 1
		}
		run := &runs[current]
		switch event.Event {
		case Started:
			run.ID = event.Run
		case Token:
			run.Text += event.Text
			run.Tokens++
		case Ended:
			if event.End != nil {
				run.End = *event.End
			}
			current = -1
		}
	}
	return runs, nil
}

// State is what a check found out about an address.
type State string

// The states of an address.
const (
	AddressReachable   State = "reachable"
	AddressUnreachable State = "unreachable"
	AddressUnresolved  State = "unresolved" // the name has no address, which proves nothing
)

// Check is one expectation and whether it is met.
type Check struct {
	Check  string `json:"check"`  // the flag that asked for it
	Target string `json:"target"` // URL, variable, address or folder
	OK     bool   `json:"ok"`
	State  State  `json:"state,omitempty"` // of the check unreachable
	Error  string `json:"error,omitempty"`
}

// Checks is what `agent check` prints.
type Checks struct {
	OK     bool    `json:"ok"`
	Checks []Check `json:"checks"`
}
