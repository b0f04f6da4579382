package live

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/cluster"
	"example.com/ai-agent/test/internal/prober"
)

// Addresses that are played by a container of ours: one of a documentation range
// stands for the public internet, the other gives out credentials on clouds.
const (
	publicAddress   = "203.0.113.10"
	metadataAddress = "169.254.169.254"
)

// table is a truth table: source → host:port → whether it can be reached.
type table map[string]map[string]bool

// Who reaches whom, all pairs that the policy speaks of. Two agents of the same
// release are left out: kube-router lets them, since an ingress rule of the same
// policy counts for both sides there. Control: without the policy everyone
// reaches everyone.
func TestPolicyTruthTable(t *testing.T) {
	t.Parallel()
	kind.Outside(t, prober.Image(t), []string{publicAddress, metadataAddress}, "443", "8443", "80")
	players := newPlayers(t)
	players.home.Install(t, "ai-agent", connected.And(one).And(chart.Values{
		"networkPolicy.ingress.from": fmt.Sprintf(
			`[{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": %q}}}]`, players.peer.Name),
	}))
	players.expect(t, table{
		"agent": {
			"redis-service:6379":      true,
			"postgres:5432":           true,
			"llm-service:8080":        true,
			"kube-dns.kube-system:53": true,
			publicAddress + ":443":    true,

			"kube-dns.kube-system:9153": false,
			"kubernetes.default:443":    false,
			publicAddress + ":8443":     false,
			metadataAddress + ":443":    false,
			metadataAddress + ":80":     false,
			players.address["home"]:     false,
			players.address["peer"]:     false,
			players.address["stranger"]: false,
		},
		"home":     {players.agent(): false, "redis-service:6379": true},
		"stranger": {players.agent(): false},
		"peer":     {players.agent(): true},
	})

	players.home.MustHelm(t, "upgrade", "ai-agent", chart.Dir(), "--reuse-values", "--wait", "--set", "networkPolicy.enabled=false")
	players.expect(t, table{
		"agent": {
			"redis-service:6379": true, publicAddress + ":8443": true, metadataAddress + ":80": true, metadataAddress + ":443": true,
			"kube-dns.kube-system:9153": true, "kubernetes.default:443": true,
			players.address["home"]: true, players.address["peer"]: true, players.address["stranger"]: true,
		},
		"home": {players.agent(): true}, "stranger": {players.agent(): true}, "peer": {players.agent(): true},
	})
}

// players are the pods of the table: in the agent's namespace, in one that its
// policy names, and in one that it does not.
type players struct {
	home, peer, stranger *cluster.Namespace
	pod, address         map[string]string // by player
}

func newPlayers(t *testing.T) players {
	t.Helper()
	p := players{home: kind.Namespace(t, cluster.EveryServer...), peer: kind.Namespace(t), stranger: kind.Namespace(t), pod: map[string]string{}, address: map[string]string{}}
	for name, n := range p.namespaces() {
		pod := prober.Listen(t, n, 8081)
		p.pod[name], p.address[name] = pod.Name, pod.Status.PodIP+":8081"
	}
	return p
}

func (p players) namespaces() map[string]*cluster.Namespace {
	return map[string]*cluster.Namespace{"home": p.home, "peer": p.peer, "stranger": p.stranger}
}

// agent is the address of the agent's Service, for every namespace.
func (p players) agent() string { return "ai-agent-service." + p.home.Name + ":80" }

// expect compares what is expected with what is observed, once policies have had
// time to hold.
func (p players) expect(t *testing.T, expected table) {
	t.Helper()
	// It takes out of the rows those that are as expected: each look costs.
	asExpected := func(rows table) error {
		observed, err := p.observe(t, rows)
		if err != nil {
			return err
		}
		maps.DeleteFunc(rows, func(source string, row map[string]bool) bool { return maps.Equal(row, observed[source]) })
		if wrong := difference(rows, observed); wrong != "" {
			return fmt.Errorf("unlike the table:%s", wrong)
		}
		return nil
	}
	left := maps.Clone(expected)
	cluster.Eventually(t, "the table as expected", 90*time.Second, func() error { return asExpected(left) })
	time.Sleep(10 * time.Second)
	require.NoError(t, asExpected(expected), "and so it stays")
}

func (p players) observe(t *testing.T, expected table) (table, error) {
	t.Helper()
	observed := table{}
	for source, row := range expected {
		targets := slices.Sorted(maps.Keys(row))
		n, pod := p.home, "deployment/ai-agent"
		if source != "agent" {
			n, pod = p.namespaces()[source], p.pod[source]
		}
		// It fails when it reaches one, and names each that it reaches.
		out, err := n.Kubectl(t, "exec", pod, "--", "/agent", "check", "--settle=0s", "--unreachable="+strings.Join(targets, ","))
		if err != nil && (strings.Contains(out, "cannot be looked up") || !strings.Contains(out, "can be reached")) {
			return nil, fmt.Errorf("%s could not look: %s", source, out)
		}
		observed[source] = map[string]bool{}
		for _, target := range targets {
			observed[source][target] = strings.Contains(out, target+" can be reached")
		}
	}
	return observed, nil
}

func difference(expected, observed table) (wrong string) {
	for _, source := range slices.Sorted(maps.Keys(expected)) {
		for _, target := range slices.Sorted(maps.Keys(expected[source])) {
			if want, have := expected[source][target], observed[source][target]; want != have {
				wrong += fmt.Sprintf("\n  %s → %s: expected %s, observed %s", source, target, reached(want), reached(have))
			}
		}
	}
	return wrong
}

func reached(yes bool) string {
	if yes {
		return "reached"
	}
	return "kept away"
}
