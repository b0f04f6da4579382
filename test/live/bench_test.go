package live

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/agent/output"
	"example.com/ai-agent/test/internal/bench"
	"example.com/ai-agent/test/internal/charttest"
	"example.com/ai-agent/test/internal/cluster"
	"example.com/ai-agent/test/internal/prober"
	"example.com/ai-agent/test/internal/profile"
)

// comparison is what TestSideBySide compares: a part of it in `make test`, and what these
// environment variables say in `make bench-runs`.
type comparison struct {
	whole        bool     // BENCH=all
	subjects     []string // SUBJECTS, separated by commas; all if empty
	disturbances []string // DISTURBANCES
	peers        string   // PEERS: a folder of further manifests
	streams      int      // RUNS: clients that stream server-sent events
	seconds      int      // SECONDS that a run takes
}

func comparisonFromEnv(t *testing.T) comparison {
	t.Helper()
	c := comparison{
		subjects: []string{"specification", "helm create", bench.Own}, disturbances: []string{"rollout", "scale-down", "drain"}, streams: 10, seconds: 45,
	}
	if os.Getenv("BENCH") != "all" {
		return c
	}
	list := func(name string) []string {
		return strings.FieldsFunc(os.Getenv(name), func(r rune) bool { return r == ',' })
	}
	number := func(name string, otherwise int) int {
		text := os.Getenv(name)
		if text == "" {
			return otherwise
		}
		number, err := strconv.Atoi(text)
		require.NoError(t, err, "%s must be a whole number", name)
		return number
	}
	return comparison{true, list("SUBJECTS"), list("DISTURBANCES"), os.Getenv("PEERS"), number("RUNS", 20), number("SECONDS", 45)}
}

func (c comparison) includes(subject string, d bench.Disturbance) bool {
	chosen := func(names []string, name string) bool { return len(names) == 0 || slices.Contains(names, name) }
	return chosen(c.subjects, subject) && chosen(c.disturbances, d.Name)
}

func (c comparison) load() prober.Load {
	return prober.Load{MaxTokens: c.seconds * cluster.TokensPerSecond, Clients: map[output.Kind]int{
		output.Stream: c.streams, output.WebSocket: 2, output.GRPC: 2, output.Poll: 2, output.Request: 5, output.KeepAlive: 5,
	}}
}

// subjects returns what is compared in a namespace.
func (c comparison) of(t *testing.T, n *cluster.Namespace) []bench.Subject {
	t.Helper()
	specification, err := bench.Specification()
	require.NoError(t, err)
	created, err := bench.HelmCreate(t.TempDir())
	require.NoError(t, err)
	own, err := bench.Render(bench.Own, charttest.Own(t), n.Values(profile.Modest().With("agent.maxRunSeconds", 2*c.seconds)))
	require.NoError(t, err)
	all := []bench.Subject{specification, created, own}
	if !c.whole {
		return all
	}
	for _, protection := range bench.ProtectionNames() {
		all = append(all, own.Without(protection))
	}
	if c.peers != "" {
		peers, err := bench.Peers(c.peers)
		require.NoError(t, err)
		all = append(all, peers...)
	}
	return all
}

// Rollouts, scale-downs and drains of this chart's agents interrupt no run and fail no
// request, whatever the protocol. Control: the same disturbances interrupt runs of the
// specification's manifests as they are and of the chart that `helm create` writes.
func TestSideBySide(t *testing.T) {
	t.Parallel()
	c := comparisonFromEnv(t)
	results := newResults(t, "smoke.json")
	for i, subject := range c.of(t, liveCluster().Existing("")) {
		for _, disturbance := range bench.Disturbances {
			if !c.includes(subject.Name, disturbance) {
				continue
			}
			t.Run(subject.Name+"/"+disturbance.Name, func(t *testing.T) {
				t.Parallel()
				n := newNamespace(t)
				scenario := bench.Plan{Subject: c.of(t, n)[i], Disturbance: disturbance, Replicas: 4, Load: c.load()}.Run(t, n)
				results.add(scenario)
				verdict := scenario.Verdict()
				t.Log(verdict)
				require.Empty(t, verdict.Invalid)
				switch {
				case subject.Name == bench.Own && !disturbance.Kills:
					assert.Zero(t, verdict.Interrupted+verdict.LaterLost, "runs lost: %v", lost(scenario))
					assert.Zero(t, verdict.RequestsFailed)
				case disturbance.Kills, subject.Name == "specification" && disturbance.Name == "rollout":
					assert.NotZero(t, verdict.Interrupted)
				}
			})
		}
	}
}

func lost(s bench.Scenario) (runs []bench.Run) {
	return slices.DeleteFunc(slices.Clone(s.Runs), func(r bench.Run) bool { return !r.Lost() })
}
