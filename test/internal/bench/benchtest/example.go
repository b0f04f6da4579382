// Package benchtest makes up a result of the benchmark, for tests of what reads one.
package benchtest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"example.com/ai-agent/test/agent/output"
	"example.com/ai-agent/test/internal/bench"
)

// subject is a made-up set of manifests.
type subject struct {
	name  string
	grace float64 // seconds that a terminating pod may still answer
	deaf  float64 // seconds after its removal in which new connections still reach a pod that refuses them
}

var subjects = []subject{
	{name: bench.Own, grace: 60},
	{name: "bare Deployment", grace: 2, deaf: 1.5},
	{name: "Deployment with preStop sleep", grace: 12},
}

const (
	disturbed = 20.0
	ended     = 90.0
)

// Example returns a made-up result in which Own loses nothing. It is the same at each call.
func Example() bench.Result {
	random := rand.New(rand.NewPCG(1, 2))
	r := bench.Result{
		Started:    time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC),
		Commit:     "0123456789abcdef0123456789abcdef01234567",
		Kubernetes: "v1.37.2",
		Machine:    bench.Machine{CPUs: 2, Memory: 24 << 30, OS: "linux/amd64 (an example, not a measurement)"},
		Seed:       42,
		Steady:     []bench.Steady{{Early: bench.Footprint{Goroutines: 12, Memory: 25 << 20}, Late: bench.Footprint{Goroutines: 13, Memory: 26 << 20}}},
	}
	for _, s := range subjects {
		for _, disturbance := range []string{"rollout", "scale-down", "drain"} {
			r.Scenarios = append(r.Scenarios, s.scenario(disturbance, random))
			last := &r.Scenarios[len(r.Scenarios)-1]
			last.Started = r.Started.Add(time.Duration(len(r.Scenarios)) * 2 * time.Minute)
		}
	}
	bare := &r.Scenarios[3]
	bare.Runs = append(bare.Runs, bench.Run{Kind: output.Poll, Client: 3, Pod: bare.Pods[2].Name, Start: 3, End: 9, Events: 1,
		Outcome: output.Failed, Error: "the model answered 500"})
	r.Scenarios[8].Invalid = "2 runs were in flight, at least 12 are needed" // a drain
	for _, of := range []string{"releases", "schedules", "config keys"} {
		for size := 1; size <= 100; size *= 10 {
			r.Growth = append(r.Growth, bench.Growth{Of: of, Size: size, Costs: map[string]float64{
				"install (s)": 0.8 + 0.4/float64(size), "API objects": 7, "memory (MiB)": 38 + 0.02*float64(size),
			}})
		}
	}
	for _, from := range []string{"agent", "client", "other namespace"} {
		for _, to := range []string{"agent:8080", "redis:6379", "198.51.100.7:443"} {
			allowed := from == "agent" || from == "client" && to == "agent:8080"
			r.Reach = append(r.Reach, bench.Reach{From: from, To: to, Allowed: allowed, Observed: allowed})
		}
	}
	return r
}

// scenario simulates three pods, of which the disturbance removes some.
func (s subject) scenario(disturbance string, random *rand.Rand) bench.Scenario {
	made := bench.Scenario{Subject: s.name, Disturbance: disturbance, Route: "service", Disturbed: disturbed, Ended: ended}
	made.Pods = s.pods(disturbance)
	for client := range 12 {
		for start := random.Float64() * 8; start < ended-30; {
			run := s.run(client, start, made.Pods, random)
			made.Runs = append(made.Runs, run)
			start = run.End + 0.5
		}
	}
	for _, run := range made.Runs {
		if run.Start <= disturbed && run.End > disturbed {
			made.InFlight++
		}
	}
	for second := 1.0; second <= ended; second++ {
		for i, kind := range []output.Kind{output.Request, output.KeepAlive} {
			requests := bench.Requests{Kind: kind, At: second, Sent: 20}
			if s.deaf > 0 && second > disturbed+4 && second <= disturbed+8 {
				requests.Failed, requests.Error = 3-i, "connection refused"
			}
			made.Requests = append(made.Requests, requests)
		}
	}
	finish(&made)
	return made
}

// pods returns three pods, of which the disturbance replaces or removes one or all.
func (s subject) pods(disturbance string) []bench.Pod {
	removed := map[string]int{"rollout": 3, "scale-down": 1, "drain": 1}[disturbance]
	var pods []bench.Pod
	for i := range 3 {
		pod := bench.Pod{Name: fmt.Sprintf("agent-6f7c9d8b5-%d", i), Node: fmt.Sprintf("worker%d", i%2+1), Created: -30, Started: -28, Ready: -25}
		if i < removed {
			pod.Deleted = disturbed + 4 + float64(i)*6
			pod.Gone = pod.Deleted + s.grace
		}
		pods = append(pods, pod)
	}
	for i := range removed {
		if disturbance == "scale-down" {
			break
		}
		created := disturbed + 0.5 + float64(i)*6
		if disturbance == "drain" { // an evicted pod is replaced once it terminates
			created = pods[i].Deleted + 0.5
		}
		pods = append(pods, bench.Pod{Name: fmt.Sprintf("agent-75b4f6d7c-%d", i), Node: fmt.Sprintf("worker%d", i%2+1), Created: created, Started: created + 1.2, Ready: created + 3})
	}
	return pods
}

// run asks a pod that is Ready at a time.
func (s subject) run(client int, start float64, pods []bench.Pod, random *rand.Rand) bench.Run {
	run := bench.Run{Kind: []output.Kind{output.Stream, output.WebSocket, output.GRPC, output.Poll}[client%4], Client: client / 4, Start: start}
	var serving []bench.Pod
	for _, pod := range pods {
		if pod.Ready > start || pod.Deleted > 0 && pod.Deleted+s.deaf <= start {
			continue
		}
		serving = append(serving, pod)
	}
	pod := serving[random.IntN(len(serving))]
	if pod.Deleted > 0 && start > pod.Deleted {
		run.End, run.Outcome, run.Error = start+0.1, output.Unreachable, "connection refused"
		return run
	}
	run.Pod, run.End, run.Outcome = pod.Name, start+12+random.Float64()*24, output.Done
	if pod.Gone > 0 && run.End > pod.Gone {
		run.End, run.Outcome, run.Error = pod.Gone, output.Interrupted, "the stream ended before the run did"
	}
	run.Events = int((run.End - run.Start) * 4)
	return run
}

// finish adds what follows from the pods and runs. A pod is gone when its last run has ended.
func finish(made *bench.Scenario) {
	for i := range made.Pods {
		pod := &made.Pods[i]
		if pod.Gone == 0 {
			continue
		}
		last := pod.Deleted + 1
		for _, run := range made.Runs {
			if run.Pod == pod.Name {
				last = max(last, run.End)
			}
		}
		pod.Gone = min(pod.Gone, last)
		made.Settled = max(made.Settled, pod.Gone)
	}
	for second := 0.0; second <= ended; second++ {
		change := bench.Scaling{At: second, Min: 2, Max: 6, Wanted: 3}
		if made.Disturbance == "scale-down" && second >= disturbed {
			change.Wanted = 2
		}
		for _, pod := range made.Pods {
			exists := pod.Created <= second && (pod.Gone == 0 || pod.Gone > second)
			if exists {
				change.Running++
				made.Cost.PodSeconds++
			}
			if exists && pod.Ready <= second && (pod.Deleted == 0 || pod.Deleted > second) {
				change.Ready++
			}
		}
		if last := len(made.Scaling) - 1; last >= 0 {
			same := made.Scaling[last]
			if same.At = second; same == change {
				continue
			}
		}
		made.Scaling = append(made.Scaling, change)
	}
	made.Cost.CPUSeconds = math.Round(made.Cost.PodSeconds*0.11*100) / 100
}
