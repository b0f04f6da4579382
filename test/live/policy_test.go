package live

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"example.com/ai-agent/test/agent/output"
	"example.com/ai-agent/test/internal/bench"
	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/cluster"
	"example.com/ai-agent/test/internal/prober"
	"example.com/ai-agent/test/internal/profile"
	"example.com/ai-agent/test/internal/repo"
)

// Addresses at which a container of the test answers: one in a documentation range
// stands for the public internet, the other one serves credentials on clouds.
const (
	publicAddress   = "203.0.113.10"
	metadataAddress = "169.254.169.254"
)

const (
	open    = output.AddressReachable
	blocked = output.AddressUnreachable
)

// table is a truth table: source → host:port → state.
type table map[string]map[string]output.State

// Who can reach whom, for all pairs that the policy is about: with named clients and the
// default egress, then with any client, opened destinations and a URL in env. A sibling
// is another pod of the release, such as that of a schedule. Control: without the policy
// everyone reaches everyone.
func TestPolicyTruthTable(t *testing.T) {
	t.Parallel()
	image, err := repo.AgentImage()
	require.NoError(t, err)
	liveCluster().Outside(t, image, []string{publicAddress, metadataAddress}, "443", "8443", "80", "53")
	p := newPlayers(t)
	agent := "ai-agent-service." + p.home.Name + ":80"
	p.home.Install(t, "ai-agent", profile.Modest().And(profile.OnePod()).And(chart.Values{
		"networkPolicy.ingress.from": chart.List{chart.Map{"namespaceSelector": chart.Map{"matchLabels": chart.Map{"kubernetes.io/metadata.name": p.peer.Name}}}},
	}))
	rows := table{
		"agent": {
			"redis-service:6379":      open,
			"postgres:5432":           open,
			"llm-service:8080":        open,
			"kube-dns.kube-system:53": open,
			publicAddress + ":443":    open,
			metadataAddress + ":53":   open, // where GKE's Cloud DNS answers

			"kube-dns.kube-system:9153": blocked,
			"kubernetes.default:443":    blocked,
			publicAddress + ":8443":     blocked,
			metadataAddress + ":443":    blocked,
			metadataAddress + ":80":     blocked,
			p.address["home"]:           blocked,
			p.address["sibling"]:        blocked,
			p.address["peer"]:           blocked,
			p.address["stranger"]:       blocked,
		},
		"home":     {agent: blocked, p.address["sibling"]: blocked, "redis-service:6379": open},
		"sibling":  {agent: blocked, p.address["home"]: blocked, "redis-service:6379": open},
		"stranger": {agent: blocked},
		"peer":     {agent: open},
	}
	p.expect(t, rows)
	newResults(t, "reach").reach(t, p.connections(rows))

	p.home.Upgrade(t, "ai-agent", chart.Values{
		"networkPolicy.ingress.from":         chart.List{}, // the default: anyone
		"networkPolicy.egress.kubernetesAPI": apiServer(t, p.home),
		"networkPolicy.egress.cloudIdentity": chart.List{"azure-imds"},
		"env":                                chart.List{chart.Map{"name": "OPENAI_BASE_URL", "value": "http://" + p.address["peer"] + "/v1"}},
	})
	p.expect(t, table{
		"agent": {
			"kubernetes.default:443":  open,
			metadataAddress + ":80":   open,
			metadataAddress + ":443":  blocked,
			publicAddress + ":8443":   blocked,
			p.address["peer"]:         open,
			"llm-service:8080":        blocked, // which config names, but env takes precedence
			p.address["stranger"]:     blocked,
			"redis-service:6379":      open,
			"kube-dns.kube-system:53": open,
		},
		"home": {agent: open, p.address["sibling"]: open}, "sibling": {p.address["home"]: blocked}, // kube-router lets it reach the agent, because one policy selects both
		"stranger": {agent: open}, "peer": {agent: open},
	})

	p.home.Upgrade(t, "ai-agent", chart.Values{"networkPolicy.enabled": false})
	p.expect(t, table{
		"agent": {
			"llm-service:8080": open, p.address["sibling"]: open,
			"redis-service:6379": open, publicAddress + ":8443": open, metadataAddress + ":80": open, metadataAddress + ":443": open,
			"kube-dns.kube-system:9153": open, "kubernetes.default:443": open,
			p.address["home"]: open, p.address["peer"]: open, p.address["stranger"]: open,
		},
		"home": {agent: open, p.address["sibling"]: open}, "sibling": {agent: open, p.address["home"]: open},
		"stranger": {agent: open}, "peer": {agent: open},
	})
}

// With the default policy, a client that has just started is answered at once. Control:
// with a policy that names pods, even all of them, it is refused, because no node has
// learned of it yet.
func TestFreshClientIsAnswered(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	n.Install(t, "ai-agent", profile.Single(nil))
	require.True(t, inAgent(t, n, "--unreachable=kubernetes.default:443"), "the policy is in effect")
	for range 3 {
		for _, run := range askFresh(t, n) {
			require.Equal(t, output.Done, run.Outcome, run.Error)
		}
	}

	n.Upgrade(t, "ai-agent", chart.Values{"networkPolicy.ingress.from": chart.List{chart.Map{"namespaceSelector": chart.Map{}}}})
	cluster.Eventually(t, "a client that is refused", 3*time.Minute, func(context.Context) error {
		for _, run := range askFresh(t, n) {
			if run.Outcome == output.Unreachable {
				return nil
			}
		}
		return errors.New("all of five new clients were answered")
	})
}

// askFresh returns the first runs of five clients that ask as soon as they have started.
func askFresh(t *testing.T, n *cluster.Namespace) []output.Run {
	t.Helper()
	var clients []prober.Client
	for range 5 {
		clients = append(clients, prober.Start(t, n, prober.Run{URL: serviceURL, Task: "say hello", Settled: true})...)
	}
	var runs []output.Run
	for _, client := range clients {
		ended := client.Await(t)
		t.Logf("a client that has just started: %s", ended[0].Outcome)
		runs = append(runs, ended[0])
	}
	return runs
}

// apiServer returns the addresses of the API server, as peers of a NetworkPolicy.
func apiServer(t *testing.T, n *cluster.Namespace) chart.List {
	t.Helper()
	slices, err := n.Client().DiscoveryV1().EndpointSlices("default").List(t.Context(), metav1.ListOptions{LabelSelector: "kubernetes.io/service-name=kubernetes"})
	require.NoError(t, err)
	var peers chart.List
	for _, slice := range slices.Items {
		for _, endpoint := range slice.Endpoints {
			peers = append(peers, chart.Map{"ipBlock": chart.Map{"cidr": endpoint.Addresses[0] + "/32"}})
		}
	}
	require.NotEmpty(t, peers)
	return peers
}

// players are the pods of the table: in the agent's namespace, in one that the agent's
// policy names, and in one that it does not name. The sibling has the labels by which the
// policy selects the release's pods, and listens on the agent's port.
type players struct {
	home, peer, stranger *cluster.Namespace
	pod, address         map[string]string // by player
}

func newPlayers(t *testing.T) players {
	t.Helper()
	p := players{home: newNamespace(t, cluster.EveryServer...), peer: newNamespace(t), stranger: newNamespace(t), pod: map[string]string{}, address: map[string]string{}}
	for name, n := range p.namespaces() {
		port, labels := 8081, map[string]string(nil)
		if name == "sibling" {
			port, labels = 8000, map[string]string{"app": "ai-agent", "app.kubernetes.io/name": "ai-agent", "app.kubernetes.io/instance": "ai-agent"}
		}
		pod := prober.Listen(t, n, port, labels)
		p.pod[name], p.address[name] = pod.Name, fmt.Sprint(pod.Status.PodIP, ":", port)
	}
	return p
}

func (p players) namespaces() map[string]*cluster.Namespace {
	return map[string]*cluster.Namespace{"home": p.home, "sibling": p.home, "peer": p.peer, "stranger": p.stranger}
}

// expect waits until a table is observed, and then for a while that it stays so.
func (p players) expect(t *testing.T, expected table) {
	t.Helper()
	left := maps.Clone(expected)
	cluster.Eventually(t, "the table", 90*time.Second, func(context.Context) error {
		for source, row := range left {
			if err := p.compare(t, source, row); err != nil {
				return err
			}
			delete(left, source) // each row costs a pod's CPU
		}
		return nil
	})
	cluster.Consistently(t, "the table", 10*time.Second, func(context.Context) error {
		for source, row := range expected {
			if err := p.compare(t, source, row); err != nil {
				return err
			}
		}
		return nil
	})
}

// connections returns a table that was observed as expected, for the report.
func (p players) connections(observed table) (all []bench.Reach) {
	names := map[string]string{}
	for player, address := range p.address {
		names[address] = player
	}
	for _, from := range slices.Sorted(maps.Keys(observed)) {
		for _, to := range slices.Sorted(maps.Keys(observed[from])) {
			isOpen := observed[from][to] == open
			all = append(all, bench.Reach{From: from, To: cmp.Or(names[to], strings.Replace(to, "."+p.home.Name, "", 1)), Allowed: isOpen, Observed: isOpen})
		}
	}
	return all
}

// compare returns the differences between an expected row and the observed one.
func (p players) compare(t *testing.T, source string, row map[string]output.State) error {
	n, pod := p.home, "deployment/ai-agent"
	if source != "agent" {
		n, pod = p.namespaces()[source], p.pod[source]
	}
	checks, err := check(t, n, pod, "--settle=0s", "--unreachable="+strings.Join(slices.Sorted(maps.Keys(row)), ","))
	if err != nil {
		return err
	}
	observed := map[string]output.State{}
	for _, check := range checks.Checks {
		observed[check.Target] = check.State
	}
	wrong := ""
	for _, target := range slices.Sorted(maps.Keys(row)) {
		if want, have := row[target], observed[target]; want != have {
			wrong += fmt.Sprintf("\n  %s → %s: expected %s, observed %q", source, target, want, have)
		}
	}
	if wrong != "" {
		return fmt.Errorf("unlike the table:%s", wrong)
	}
	return nil
}
