package bench

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"example.com/ai-agent/test/agent/output"
	"example.com/ai-agent/test/internal/cluster"
	"example.com/ai-agent/test/internal/observe"
	"example.com/ai-agent/test/internal/prober"
	"example.com/ai-agent/test/internal/repo"
)

// Plan is a scenario to run.
type Plan struct {
	Subject      Subject
	Route        Route
	Name         string                // of the disturbance
	Disturbances iter.Seq[Disturbance] // one after another, under the same load
	Replicas     int32
	Load         prober.Load // its URL is set for the Service
	before       func(*site, *testing.T)
}

// Once returns the plan of one disturbance.
func Once(s Subject, r Route, d Disturbance, load prober.Load) Plan {
	return Plan{s, r, d.Name, slices.Values([]Disturbance{d}), cmp.Or(d.Replicas, 4), load, d.before}
}

// runSeconds is how long a run takes.
func (p Plan) runSeconds() int { return p.Load.MaxTokens / cluster.TokensPerSecond }

// MaxRunSeconds is the time that each agent and proxy gives a run of a length in seconds: the
// default of the chart, if that is enough.
func MaxRunSeconds(runSeconds int) int { return max(300, 2*runSeconds) }

// settledWithin bounds the end of a disturbance: this chart's autoscaler waits for five
// minutes, and then removes a pod every two; a pod that is removed waits for its last run.
const settledWithin = 30 * time.Minute

// Run installs a subject, disturbs it under load, and returns what was seen. It fails the
// test if the scenario could not be run, not if the subject lost runs.
func (p Plan) Run(t *testing.T, n *cluster.Namespace) Scenario {
	t.Helper()
	image, err := repo.AgentImage()
	require.NoError(t, err)
	s := &site{n, p.prepared(n, image), p.Route}
	s.expose()
	s.install(t)
	s.startProxy(t, MaxRunSeconds(p.runSeconds()))
	if p.before != nil {
		p.before(s, t)
		cluster.Eventually(t, "the pods of "+s.Name, settledWithin, s.settled)
	}
	recorded := record(t, n)
	clients := p.Route.to(s, p.Load)
	load := prober.StartLoad(t, n, clients)
	cluster.Eventually(t, "a run of each client", 5*time.Minute, load.InFlight(clients.Runs()))

	result := p.empty()
	result.Started = recorded.start
	result.Disturbed, result.Invalid = recorded.since(time.Now()), recorded.restarted()
	result.Unsurvivable = p.Route.Defaults()
	t.Cleanup(func() { result.logFailed(t, load) })
	removes, ends := 0, false
	for disturbance := range p.Disturbances {
		t.Logf("%s: %s", time.Now().Format(time.TimeOnly), disturbance.Name)
		disturbance.disturb(t, s, load)
		cluster.Eventually(t, "the end of the "+disturbance.Name, settledWithin, s.settled)
		removes += disturbance.Removes
		ends = disturbance.Ends
		result.Unsurvivable = result.Unsurvivable || disturbance.Kills
	}
	result.Settled = recorded.since(time.Now())
	load.Stop(t)
	seen := load.Await(t, time.Duration(p.runSeconds()+120)*time.Second)
	result.Ended = recorded.since(time.Now())
	recorded.fill(&result)
	result.fill(seen)
	if ends { // nothing answers requests any more
		result.Requests = slices.DeleteFunc(result.Requests, func(r Requests) bool { return r.At > result.Disturbed })
	}
	if removed := result.Removed(); removed < removes && result.Invalid == "" {
		result.Invalid = fmt.Sprintf("only %d pods were removed, instead of %d", removed, removes)
	}
	return result
}

// NotRun returns the scenario of a plan that has no result.
func (p Plan) NotRun() Scenario {
	s := p.empty()
	s.Invalid, s.Ended = "it could not be run", 1
	return s
}

func (p Plan) empty() Scenario {
	return Scenario{
		Subject: p.Subject.Name, Disturbance: p.Name, Route: string(p.Route), Started: time.Now(),
		Runs: []Run{}, Requests: []Requests{}, Pods: []Pod{}, Scaling: []Scaling{},
	}
}

// logFailed logs what the clients have seen until a test failed.
func (s Scenario) logFailed(t *testing.T, load prober.Loading) {
	if !t.Failed() || s.Ended > 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	seen, err := load.Seen(ctx)
	s.fill(seen)
	s.Invalid = "" // the runs that have not ended are not counted
	t.Logf("until then, the clients saw %+v (%v)", s.Verdict(), err)
}

// Removed returns how many pods were removed since the disturbance began.
func (s Scenario) Removed() (count int) {
	for _, pod := range s.Pods {
		if max(pod.Deleted, pod.Gone) >= s.Disturbed {
			count++
		}
	}
	return count
}

// fill adds what the clients have seen to the scenario.
func (s *Scenario) fill(seen []output.Load) {
	started := map[output.Load]output.Load{}
	for _, event := range seen {
		at := event.At.Sub(s.Started).Seconds()
		run := output.Load{Kind: event.Kind, Client: event.Client, Number: event.Number}
		switch event.Event {
		case output.Requested:
			s.Requests = append(s.Requests, Requests{event.Kind, at, event.Sent.Sent, event.Failed, event.Why})
		case output.Started:
			started[run] = event
		case output.Ended:
			begun, ok := started[run]
			if !ok {
				begun = event // refused, or never answered
			}
			s.Runs = append(s.Runs, Run{
				Kind: event.Kind, Client: event.Client, Pod: cmp.Or(begun.Pod, event.Pod), Start: begun.At.Sub(s.Started).Seconds(), End: at,
				Events: event.Tokens, Outcome: event.Outcome, Error: event.Error,
			})
		}
	}
	if missing := len(output.InFlight(seen)); missing > 0 && s.Invalid == "" {
		s.Invalid = fmt.Sprintf("clients recorded no end of %d runs", missing)
	}
	later := func(event output.Load) bool { return event.At.Sub(s.Started).Seconds() > s.Disturbed }
	s.InFlight = len(output.InFlight(slices.DeleteFunc(slices.Clone(seen), later)))
}

// site is where a subject runs.
type site struct {
	n *cluster.Namespace
	Subject
	route Route
}

// install installs the subject and waits until its pods are Ready.
func (s *site) install(t *testing.T) {
	t.Helper()
	// The pods of most subjects violate Pod Security "restricted".
	s.n.MustKubectl(t, "label", "namespace", s.n.Name, "--overwrite", "pod-security.kubernetes.io/enforce=privileged")
	s.apply(t)
	cluster.Eventually(t, "the pods of "+s.Name, 5*time.Minute, s.settled)
}

func (s *site) apply(t *testing.T) {
	t.Helper()
	s.applyOnly(t, s.Subject)
}

func (s *site) applyOnly(t *testing.T, objects Subject) {
	t.Helper()
	manifest, err := objects.Manifest()
	require.NoError(t, err)
	s.n.Apply(t, manifest)
}

func (s *site) url() string {
	service := s.service()
	return fmt.Sprintf("http://%s:%d", service.Name, service.Spec.Ports[0].Port)
}

// settled holds if the Deployment has all of its pods, and no pod is terminating.
// Without a Deployment, it holds if there is no pod.
func (s *site) settled(ctx context.Context) error {
	_, err := observe.Settled(ctx, s.n, metav1.ListOptions{FieldSelector: "metadata.name=" + s.deployment().Name}, metav1.ListOptions{LabelSelector: agentsIn(s.n)})
	return err
}

func (s *site) current(ctx context.Context) (*appsv1.Deployment, error) {
	return s.n.Client().AppsV1().Deployments(s.n.Name).Get(ctx, s.deployment().Name, metav1.GetOptions{})
}
