package output

import (
	"maps"
	"slices"
	"time"
)

// Kind is how a client of `agent load` asks.
type Kind string

// The kinds of clients. The first four ask for runs, the others send short requests.
const (
	Stream    Kind = "stream"     // server-sent events
	WebSocket Kind = "websocket"  // a message for each token
	GRPC      Kind = "grpc"       // a server stream
	Poll      Kind = "poll"       // one answer at the end of the run
	Request   Kind = "request"    // each on a connection of its own
	KeepAlive Kind = "keep-alive" // all on one connection
)

// Requested is the event of a second of short requests. Runs have the events Started and
// Ended.
const Requested = "requested"

// Load is a line that `agent load` prints.
type Load struct {
	Event  string    `json:"event"`
	Kind   Kind      `json:"kind"`
	Client int       `json:"client"` // number among those of its kind, from 0; 0 for short requests
	Number int       `json:"number"` // of the client's run, from 0
	At     time.Time `json:"at"`     // the end of the run or of the second; for Started, when the client asked
	Pod    string    `json:"pod,omitempty"`
	*End             // of the event ended
	*Sent            // of the event requested
}

// Sent counts the short requests of one second.
type Sent struct {
	Sent   int    `json:"sent"`
	Failed int    `json:"failed"`        // no answer, or one with another status than 200
	Why    string `json:"why,omitempty"` // error of the first one that failed
}

// IsRun reports whether clients of this kind ask for runs.
func (k Kind) IsRun() bool { return k != Request && k != KeepAlive }

// InFlight returns the runs that have started and not ended.
func InFlight(seen []Load) []Load {
	running := map[Load]Load{}
	for _, event := range seen {
		run := Load{Kind: event.Kind, Client: event.Client, Number: event.Number}
		switch event.Event {
		case Started:
			running[run] = event
		case Ended:
			delete(running, run)
		}
	}
	return slices.Collect(maps.Values(running))
}
