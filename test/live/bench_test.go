package live

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/agent/output"
	"example.com/ai-agent/test/internal/bench"
	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
	"example.com/ai-agent/test/internal/cluster"
	"example.com/ai-agent/test/internal/observe"
	"example.com/ai-agent/test/internal/prober"
	"example.com/ai-agent/test/internal/profile"
)

// comparison is what TestSideBySide compares: a fixed selection in `make test`; in `make
// bench-runs`, what these environment variables select.
type comparison struct {
	whole        bool     // BENCH=results
	subjects     []string // SUBJECTS, separated by commas; all if empty
	disturbances []string // DISTURBANCES
	peers        string   // PEERS: a folder of further manifests
	streams      int      // RUNS: clients that stream server-sent events
	seconds      int      // SECONDS that a run takes
}

// What `make test` compares. In `make bench-runs`, all other subjects undergo only these
// disturbances, unless SUBJECTS or DISTURBANCES selects others.
var (
	mainSubjects     = []string{bench.Own, "specification", "helm create"}
	mainDisturbances = []string{"rollout", "scale-down", "drain"}
)

// longestDefault is the longest timeout, in seconds, of the proxies that have one by default.
const longestDefault = 60

// Subjects that must lose something without a protection, and the disturbance in which a
// PodDisruptionBudget protects requests.
const (
	withoutWindow = bench.Own + " without scale-down window"
	abrupt        = bench.Own + " (abrupt)"
	withoutBudget = abrupt + " without PDB"
	withoutProbes = abrupt + " without probes"
	simultaneous  = "simultaneous drain"
)

func comparisonFromEnv(t *testing.T) comparison {
	t.Helper()
	c := comparison{subjects: mainSubjects, disturbances: mainDisturbances, streams: 10, seconds: 45}
	if os.Getenv("BENCH") != "results" {
		return c
	}
	list := func(name string) []string {
		return strings.FieldsFunc(os.Getenv(name), func(r rune) bool { return r == ',' })
	}
	return comparison{true, list("SUBJECTS"), list("DISTURBANCES"), os.Getenv("PEERS"), number(t, "RUNS", 20), number(t, "SECONDS", 45)}
}

// number reads an environment variable.
func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	number, err := strconv.Atoi(text)
	require.NoError(t, err, "%s must be a whole number", name)
	return number
}

func (c comparison) includes(s bench.Subject, d bench.Disturbance) bool {
	if d.Slow && !s.Scales() || d.Long && c.seconds <= longestDefault {
		return false
	}
	if len(c.subjects) == 0 && len(c.disturbances) == 0 {
		window := slices.Contains([]string{"autoscaler", "lull"}, d.Name) && s.Name == withoutWindow
		budget := d.Name == simultaneous && slices.Contains([]string{abrupt, withoutBudget}, s.Name)
		return window || budget || slices.Contains(mainSubjects, s.Name) || slices.Contains(mainDisturbances, d.Name)
	}
	return bench.Chosen(c.subjects, s.Name) && bench.Chosen(c.disturbances, d.Name)
}

// requireKnown fails the test if a name of the comparison is none of a subject or disturbance.
func (c comparison) requireKnown(t *testing.T, subjects []bench.Subject) {
	t.Helper()
	var known []string
	for _, s := range subjects {
		known = append(known, s.Name)
	}
	require.Subset(t, known, c.subjects, "SUBJECTS must be some of these, separated by commas")
	known = nil
	for _, d := range bench.Disturbances {
		known = append(known, d.Name)
	}
	require.Subset(t, known, c.disturbances, "DISTURBANCES must be some of these, separated by commas")
}

func (c comparison) load() prober.Load {
	return prober.Load{MaxTokens: c.seconds * cluster.TokensPerSecond, Clients: map[output.Kind]int{
		output.Stream: c.streams, output.WebSocket: 2, output.GRPC: 2, output.Poll: 2, output.Request: 5, output.KeepAlive: 5,
	}}
}

// own returns this chart in a namespace.
func (c comparison) own(t *testing.T, n *cluster.Namespace, r bench.Route) bench.Subject {
	t.Helper()
	values := profile.Modest().With("agent.maxRunSeconds", bench.MaxRunSeconds(c.seconds))
	if r.InTraefik() {
		values = values.And(everyPath)
	}
	own, err := bench.RenderOwn(charttest.Own(t), n.Values(values))
	require.NoError(t, err)
	return own
}

// everyPath routes every path through the proxy: short requests ask /health.
var everyPath = behindTraefik.And(chart.Values{
	"ingress.hosts":     chart.List{chart.Map{"host": "agent.example.com", "paths": chart.List{chart.Map{"path": "/"}}}},
	"httpRoute.matches": chart.List{chart.Map{"path": chart.Map{"type": "PathPrefix", "value": "/"}}},
})

// of returns what is compared in a namespace.
func (c comparison) of(t *testing.T, n *cluster.Namespace, r bench.Route) []bench.Subject {
	t.Helper()
	specification, err := bench.Specification()
	require.NoError(t, err)
	created, err := bench.HelmCreate(t.TempDir())
	require.NoError(t, err)
	own := c.own(t, n, r)
	all := []bench.Subject{own, specification, created}
	if !c.whole {
		return all
	}
	for _, protection := range bench.ProtectionNames() {
		all = append(all, own.Without(protection))
	}
	all = append(all, own.Abrupt(), specification.Abrupt(), created.Abrupt())
	for _, protection := range []string{"PDB", "preStop", "probes", "strategy"} {
		all = append(all, own.Abrupt().Without(protection))
	}
	if c.peers != "" {
		peers, err := bench.Peers(c.peers)
		require.NoError(t, err)
		all = append(all, peers...)
	}
	return all
}

// Rollouts, scale-downs and drains of this chart's agents interrupt no run and fail no
// request, whatever the protocol. Control: a rollout interrupts runs of the specification's
// manifests as they are.
func TestSideBySide(t *testing.T) {
	t.Parallel()
	c := comparisonFromEnv(t)
	results := newResults(t, "results")
	subjects := c.of(t, liveCluster().Existing(""), bench.Service)
	c.requireKnown(t, subjects)
	t.Run("behind Traefik", func(t *testing.T) { // first, because its scenarios wait for each other
		c.requireWhole(t)
		t.Parallel()
		liveCluster().Lock(t, "traefik")
		installController(t)
		c.compare(t, results, false, subjects[:2], bench.Ingress, bench.HTTPRoute, bench.H2C, bench.Defaults)
	})
	c.compare(t, results, false, subjects, bench.Service)
	t.Run("behind proxies", func(t *testing.T) {
		c.requireWhole(t)
		t.Parallel()
		c.compare(t, results, false, subjects[:2], bench.Proxied...)
	})
}

func (c comparison) requireWhole(t *testing.T) {
	t.Helper()
	if !c.whole {
		t.Skip("`make bench-runs` runs it")
	}
}

// compare disturbs subjects, the first of those that c.of returns, by each route: with the
// disturbances that need the cluster to themselves, or with the others.
func (c comparison) compare(t *testing.T, results *results, alone bool, subjects []bench.Subject, routes ...bench.Route) {
	t.Helper()
	for i, subject := range subjects {
		for _, route := range routes {
			for _, disturbance := range bench.Disturbances {
				if disturbance.Alone == alone && route.Has(disturbance) && c.includes(subject, disturbance) {
					c.disturb(t, results, i, subject.Name, route, disturbance)
				}
			}
		}
	}
}

// disturb runs a scenario as a subtest. The subject is number i of those that c.of returns.
func (c comparison) disturb(t *testing.T, results *results, i int, name string, route bench.Route, disturbance bench.Disturbance) {
	t.Helper()
	row := results.row(bench.Once(bench.Subject{Name: name}, route, disturbance, prober.Load{}))
	t.Run(name+"/"+string(route)+"/"+disturbance.Name, func(t *testing.T) {
		if !disturbance.Alone && !route.InTraefik() { // scenarios share Traefik
			t.Parallel()
		}
		n := newNamespace(t)
		results.judge(t, row, bench.Once(c.of(t, n, route)[i], route, disturbance, c.load()).Run(t, n), disturbance)
	})
}

// The power-off of a node interrupts the runs on it, regardless of the manifests. The test is
// not parallel, because the node runs pods of other tests, too.
func TestSideBySideAtAPowerOff(t *testing.T) {
	c := comparisonFromEnv(t)
	c.requireWhole(t)
	liveCluster().Exclusive(t)
	c.compare(t, newResults(t, "power-off"), true, c.of(t, liveCluster().Existing(""), bench.Service)[:3], bench.Service)
}

// interrupted are the subjects that lose runs in every rollout.
var interrupted = []string{"specification", bench.Own + " without agent's drain"}

// judge adds a scenario to the results. It fails the test if this chart lost anything, or if
// nothing was lost where a loss is certain.
func (r *results) judge(t *testing.T, row int, s bench.Scenario, d bench.Disturbance) {
	t.Helper()
	r.add(t, row, s)
	verdict := s.Verdict()
	t.Logf("%+v", verdict)
	require.Empty(t, verdict.Invalid)
	hasty := d.Name == "rollout of the proxy" && bench.Route(s.Route).Defaults()
	own := bench.IsOwn(s.Subject)
	for _, pod := range s.Pods {
		assert.False(t, own && pod.Restarts > 0 && !d.Alone, "a container of pod %s restarted", pod.Name)
	}
	switch {
	case d.Kills, hasty, d.Name == "rollout" && slices.Contains(interrupted, s.Subject):
		assert.NotZero(t, verdict.Interrupted+verdict.LaterLost)
	case d.Name == "rollout" && s.Subject == withoutProbes, d.Name == simultaneous && s.Subject == withoutBudget:
		assert.NotZero(t, verdict.RequestsFailed)
	case d.Name == "lull" && s.Subject == withoutWindow:
		assert.NotZero(t, s.Removed(), "pods removed")
	case d.Long:
		hasTimeout := slices.Contains([]bench.Route{bench.NginxDefaults, bench.HAProxyDefaults}, bench.Route(s.Route))
		assert.Equal(t, hasTimeout, verdict.Interrupted > 0, "by default, only nginx and HAProxy limit how long they wait for an answer")
	case own:
		assert.True(t, d.Name != "lull" || s.Removed() == 0, "pods removed in a lull: %d", s.Removed())
		assert.Zero(t, verdict.Interrupted+verdict.LaterLost, "runs lost: %v", lost(s))
		failed := verdict.RequestsFailed
		if d.Proxy || s.Subject == abrupt { // which closes idle connections to stop, even if a request is on the way
			failed -= s.Failed(output.KeepAlive)
		}
		assert.Zero(t, failed)
		if s.Route == string(bench.Service) { // Traefik learns of an agent late, and Caddy 2.6 answered 499 to a client that waited
			assert.Zero(t, verdict.Before.RunsLost+verdict.Before.RequestsFailed, "before the disturbance")
		}
	}
}

func lost(s bench.Scenario) (runs []bench.Run) {
	return slices.DeleteFunc(slices.Clone(s.Runs), func(r bench.Run) bool { return !r.Lost() })
}

// Half an hour of disturbances at random, one after another, interrupts no run and fails
// no request; the memory and the goroutines of an agent that serves runs throughout
// stay the same.
func TestSoak(t *testing.T) {
	if os.Getenv("BENCH") != "soak" {
		t.Skip("`make soak` runs it")
	}
	c := comparisonFromEnv(t)
	minutes, seed := number(t, "MINUTES", 30), uint64(number(t, "SEED", 1))
	results := newResults(t, "soak")
	results.seen.Seed = seed
	n, steady := newNamespace(t), newNamespace(t)
	steadily := startSteady(t, steady, c)
	plan := bench.Soak(c.own(t, n, bench.Service), time.Duration(minutes)*time.Minute, seed, c.load())
	row, scenario := results.row(plan), plan.Run(t, n)
	agent := steadily()
	results.seen.Steady = []bench.Steady{agent}
	results.add(t, row, scenario)
	verdict := scenario.Verdict()
	t.Logf("%+v", verdict)
	require.Empty(t, verdict.Invalid)
	assert.Zero(t, verdict.Interrupted+verdict.LaterLost, "runs lost: %v", lost(scenario))
	assert.Zero(t, verdict.RequestsFailed)
	assert.LessOrEqual(t, agent.Late.Goroutines, agent.Early.Goroutines+5, "connections may still be closing")
	assert.Less(t, agent.Late.Memory, agent.Early.Memory*5/4+8<<20)
}

// startSteady starts an agent that nothing disturbs, and keeps it busy. The function that it
// returns ends the load, and returns what the agent uses.
func startSteady(t *testing.T, n *cluster.Namespace, c comparison) func() bench.Steady {
	t.Helper()
	n.Install(t, "ai-agent", profile.Single(chart.Values{"agent.maxRunSeconds": 2 * c.seconds}))
	agent := observe.Of(n, "ai-agent")
	load := c.load()
	load.URL = serviceURL + ":80"
	end := func(loading prober.Loading) bench.Footprint {
		loading.Stop(t)
		loading.Await(t, time.Duration(c.seconds)*time.Second+2*time.Minute)
		metrics, err := agent.Scrape(t, agent.Pod(t))
		require.NoError(t, err)
		require.Zero(t, metrics.InFlight())
		return bench.Footprint{Goroutines: metrics.Goroutines(), Memory: metrics.Memory()}
	}
	first := prober.StartLoad(t, n, load)
	cluster.Eventually(t, "a run of each client", 5*time.Minute, first.InFlight(load.Runs()))
	early, second := end(first), prober.StartLoad(t, n, load)
	return func() bench.Steady { return bench.Steady{Early: early, Late: end(second)} }
}
