// Package bench compares what a disturbance costs with different manifests: it disturbs
// a subject under load, and records what the clients and the cluster saw.
package bench

import (
	"slices"
	"time"

	"example.com/ai-agent/test/agent/output"
)

// Result is what one execution of the benchmark recorded. It is the content of
// results.json, and all that the report shows.
type Result struct {
	Started    time.Time  `json:"started"`
	Commit     string     `json:"commit"`     // of this repository; "-dirty" follows if files differ from it
	Kubernetes string     `json:"kubernetes"` // version of the API server
	Machine    Machine    `json:"machine"`
	Seed       uint64     `json:"seed,omitempty"`   // of a soak: repeats its order
	Steady     []Steady   `json:"steady,omitempty"` // of each soak
	Scenarios  []Scenario `json:"scenarios"`
	Growth     []Growth   `json:"growth,omitempty"`
	Reach      []Reach    `json:"reach,omitempty"`
}

// Chosen reports whether a selection includes a name: an empty one includes all.
func Chosen(names []string, name string) bool { return len(names) == 0 || slices.Contains(names, name) }

// Machine is what the benchmark ran on.
type Machine struct {
	CPUs   int    `json:"cpus"`
	Memory int64  `json:"memory"` // bytes
	OS     string `json:"os"`
}

// Steady is what an undisturbed agent uses without runs, after its first runs and after its
// last.
type Steady struct {
	Early Footprint `json:"early"`
	Late  Footprint `json:"late"`
}

// Footprint is what a process occupies.
type Footprint struct {
	Goroutines int `json:"goroutines"`
	Memory     int `json:"memory"` // bytes, resident
}

// Scenario is one disturbance of one subject. Times are seconds since Started.
type Scenario struct {
	Subject     string    `json:"subject"`
	Disturbance string    `json:"disturbance"`
	Route       string    `json:"route"` // as the constants of type Route
	Started     time.Time `json:"started"`
	Disturbed   float64   `json:"disturbed"` // start of the disturbance
	Settled     float64   `json:"settled"`   // end of the disturbance: no pod is removed or started any more
	Ended       float64   `json:"ended"`     // end of the load
	InFlight    int       `json:"inFlight"`  // runs at Disturbed
	// Unsurvivable is true where no manifest can save the runs: without a grace period, and
	// behind a proxy with its defaults. These are in the table, and not in the totals.
	Unsurvivable bool `json:"unsurvivable,omitempty"`
	// Invalid says why the scenario proves nothing. It is empty otherwise.
	Invalid  string     `json:"invalid,omitempty"`
	Runs     []Run      `json:"runs"`
	Requests []Requests `json:"requests"`
	Pods     []Pod      `json:"pods"`
	Scaling  []Scaling  `json:"scaling"`
	Cost     Cost       `json:"cost"`
}

// Run is one run as its client saw it.
type Run struct {
	Kind    output.Kind    `json:"kind"`
	Client  int            `json:"client"` // number among those of its kind
	Pod     string         `json:"pod"`    // that answered
	Start   float64        `json:"start"`
	End     float64        `json:"end"`
	Events  int            `json:"events"` // that arrived in order, each once
	Outcome output.Outcome `json:"outcome"`
	Error   string         `json:"error,omitempty"`
}

// Requests are the short requests of one kind in one second.
type Requests struct {
	Kind   output.Kind `json:"kind"`
	At     float64     `json:"at"`
	Sent   int         `json:"sent"`
	Failed int         `json:"failed"`
	Error  string      `json:"error,omitempty"` // of one that failed
}

// Pod is the life of a pod of the subject. A time is 0 if that did not happen.
type Pod struct {
	Name     string  `json:"name"`
	Node     string  `json:"node"`
	Created  float64 `json:"created"`
	Started  float64 `json:"started"` // its container
	Ready    float64 `json:"ready"`
	Deleted  float64 `json:"deleted"` // start of its termination
	Gone     float64 `json:"gone"`
	Restarts int     `json:"restarts"`
}

// Scaling is what a subject runs from At until the next entry.
type Scaling struct {
	At      float64 `json:"at"`
	Wanted  int     `json:"wanted"` // replicas of the workload
	Ready   int     `json:"ready"`  // pods
	Running int     `json:"running"`
	Min     int     `json:"min,omitempty"` // of the HorizontalPodAutoscaler
	Max     int     `json:"max,omitempty"`
}

// Cost is what the subject used between Started and Ended.
type Cost struct {
	PodSeconds float64 `json:"podSeconds"`
	CPUSeconds float64 `json:"cpuSeconds"`
}

// Reach is a row of the reachability truth table.
type Reach struct {
	From     string `json:"from"`
	To       string `json:"to"`
	Allowed  bool   `json:"allowed"`  // by the chart's NetworkPolicy
	Observed bool   `json:"observed"` // whether the connection was made
}
