package render

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
)

// The ranges that are not the public internet.
var (
	notPublic = []string{
		"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "168.63.129.16/32",
		"192.0.0.0/24", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4",
	}
	notPublic6 = []string{"fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8", "64:ff9b::/96", "64:ff9b:1::/48"}
)

// A NetworkPolicy knows pods and addresses, but no names.
func TestPolicyAllowsTheServersInURLs(t *testing.T) {
	t.Parallel()
	for url, want := range map[string][]string{ // the servers: "here" or a namespace, an address or "public", and the port
		"redis://redis-service":                        {"here 6379"},
		"redis://redis-service:7000/2":                 {"here 7000"},
		"rediss://cache.data":                          {"data 6379"},
		"valkeys://cache.data":                         {"data 6379"},
		"redis://cache.data.svc.cluster.local:6380":    {"data 6380"},
		"redis://cache.data.svc.cluster.local.:6380":   {"data 6380"},
		"rediss://user@Redis.Data:6380":                {"data 6380"},
		"redis://10.1.2.3":                             {"10.1.2.3/32 6379"},
		"redis://[fd00::1]:6380":                       {"fd00::1/128 6380"},
		"redis://[::ffff:10.1.2.3]":                    {"10.1.2.3/32 6379"},
		"redis://r1.data:26379,r2.other:26379/0":       {"data 26379", "other 26379"},
		"redis://user@cache.eu-west-1.example.com:638": {"public 638"},
		"redis://redis-0.redis.data.svc.cluster.local": {"data 6379"},
		"redis://example.com.":                         {"public 6379"},
		"redis://ep.svc.example.com":                   {"public 6379"},
		"redis://cache.data.svc.k8s.example.com":       {"data 6379"},
		"redis://db.internal":                          {"internal 6379"},
		"":                                             {},

		// Sentinel, and the servers that it names.
		"redis+sentinel://a.data,b.other:26380/main/0":    {"data 26379", "data 6379", "other 26380", "other 6379"},
		"sentinel://a.data:26379;sentinel://b.data:26379": {"data 26379", "data 6379"},

		// What libpq and its users accept.
		"postgresql+asyncpg://db.data/agents":                     {"data 5432"},
		"postgresql://a.data:5433,b.other/agents":                 {"data 5433", "other 5432"},
		"postgresql:///agents?host=db.data.svc&port=5432":         {"data 5432"},
		"postgresql:///agents?host=a.data,b.other&port=5433,5434": {"data 5433", "other 5434"},
		"postgresql:///agents?host=a.data,b.other&port=5433":      {"data 5433", "other 5433"},
		"postgresql:///agents?host=a.data:5433&host=b.other":      {"data 5433", "other 5432"},
		"postgresql://here/agents?port=5433":                      {"here 5433"},
		"postgresql://:5433/agents?host=db.data":                  {"data 5433"},
		"postgresql://ignored/agents?host=db.data":                {"data 5432"},
		"postgresql:///agents?host=db.data&hostaddr=10.1.2.3":     {"10.1.2.3/32 5432"},
		"postgresql:///agents?hostaddr=fd00::5":                   {"fd00::5/128 5432"},
		"host=db.data port = 5433 dbname='agents'":                {"data 5433"},
		"jdbc:postgresql://db.data/agents":                        {"data 5432"},
		"mysql+pymysql://db.data/agents?host=ignored":             {"data 3306"},

		// No packet leaves the pod.
		"unix:///var/run/redis.sock":                       {},
		"redis+socket:///var/run/redis.sock":               {},
		"/var/run/redis.sock":                              {},
		"postgresql:///agents":                             {},
		"postgresql:///agents?host=/var/run/postgresql":    {},
		"postgresql:///agents?host=/cloudsql/project:eu:a": {},
		"postgresql://%2Fvar%2Frun%2Fpostgresql/agents":    {},
		"sqlite:////data/agents.db":                        {},
		"redis://:6379/0":                                  {},
		"redis://localhost:6379":                           {},
		"redis://127.0.0.1":                                {},
		"redis://[::1]:6379":                               {},
	} {
		t.Run(url, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, want, servers(t, chart.Values{"config.REDIS_URL": url, "config.DATABASE_URL": "", "config.OPENAI_BASE_URL": ""}))
		})
	}
}

// The policy follows what the agent's container reads.
func TestPolicyFollowsTheEnvironment(t *testing.T) {
	t.Parallel()
	const secretsURL = "postgresql://$(DB_USER):$(DB_PASS)@pg-rw.data.svc:5432/agents"
	for name, tc := range map[string]struct {
		values chart.Values
		want   []string
	}{
		"config":                      {chart.Values{"config.DATABASE_URL": "postgresql://a.config"}, []string{"config 5432"}},
		"the Secret over config":      {chart.Values{"secret.stringData.DATABASE_URL": "postgresql://u@a.secret"}, []string{"secret 5432"}},
		"an empty value is left out":  {chart.Values{"config.DATABASE_URL": "postgresql://a.config", "secret.stringData.DATABASE_URL": ""}, []string{"config 5432"}},
		"the Secret as files":         {chart.Values{"config.DATABASE_URL": "postgresql://a.config", "secret.stringData.DATABASE_URL": "postgresql://a.secret", "secret.mountPath": "/secrets"}, []string{"config 5432"}},
		"env over both":               {variable("DATABASE_URL", "postgresql://a.env").With("secret.stringData.DATABASE_URL", "postgresql://a.secret"), []string{"env 5432"}},
		"the last of env":             {chart.Values{"env": chart.List{chart.Map{"name": "DATABASE_URL", "value": "postgresql://a.first"}, chart.Map{"name": "DATABASE_URL", "value": "postgresql://a.last"}}}, []string{"last 5432"}},
		"env, empty":                  {variable("DATABASE_URL", ""), []string{}},
		"env, from a Secret":          {chart.Values{"env": chart.List{secretVariable("DATABASE_URL")}}, []string{}},
		"credentials from a Secret":   {chart.Values{"env": chart.List{secretVariable("DB_USER"), secretVariable("DB_PASS"), chart.Map{"name": "DATABASE_URL", "value": secretsURL}}}, []string{"data 5432"}},
		"a reference to env":          {chart.Values{"env": chart.List{chart.Map{"name": "HOST", "value": "a.env"}, chart.Map{"name": "DATABASE_URL", "value": "postgresql://$(HOST)"}}}, []string{"env 5432"}},
		"a reference to config":       {variable("DATABASE_URL", "postgresql://$(HOST):$(PORT)/a").And(chart.Values{"config.HOST": "a.config", "config.PORT": "6432"}), []string{"config 6432"}},
		"a reference to what follows": {chart.Values{"env": chart.List{chart.Map{"name": "DATABASE_URL", "value": "postgresql://$(HOST)"}, chart.Map{"name": "HOST", "value": "a.env"}}}, []string{}},
		"several servers, one rule":   {variable("DATABASE_URL", "postgresql://a.data,b.data,c.data"), []string{"data 5432"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, tc.want, servers(t, tc.values.And(chart.Values{"config.REDIS_URL": "", "config.OPENAI_BASE_URL": ""})))
		})
	}
}

// servers returns what the policy of a release allows besides DNS and HTTPS, as
// "peer port".
func servers(t *testing.T, values chart.Values) []string {
	t.Helper()
	policy := charttest.One[*networkingv1.NetworkPolicy](t, charttest.Render(t, values))
	found := []string{}
	for _, rule := range policy.Spec.Egress[1 : len(policy.Spec.Egress)-1] {
		require.Len(t, rule.Ports, 1)
		found = append(found, peerName(t, rule.To)+" "+rule.Ports[0].Port.String())
	}
	return found
}

func peerName(t *testing.T, peers []networkingv1.NetworkPolicyPeer) string {
	t.Helper()
	first := peers[0]
	if first.IPBlock != nil && len(peers) == 2 {
		require.Equal(t, networkingv1.IPBlock{CIDR: "0.0.0.0/0", Except: notPublic}, *first.IPBlock)
		require.Equal(t, networkingv1.IPBlock{CIDR: "::/0", Except: notPublic6}, *peers[1].IPBlock)
		return "public"
	}
	require.Len(t, peers, 1)
	switch {
	case first.IPBlock != nil:
		require.Empty(t, first.IPBlock.Except)
		return first.IPBlock.CIDR
	case first.NamespaceSelector == nil:
		require.Equal(t, &metav1.LabelSelector{}, first.PodSelector)
		return "here"
	default:
		require.Nil(t, first.PodSelector)
		require.Len(t, first.NamespaceSelector.MatchLabels, 1)
		return first.NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"]
	}
}

// Name servers of each platform are reachable by default, and others can be set.
func TestPolicyAllowsNameServers(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		values chart.Values
		peers  []string
		ports  []string
	}{
		"the default": {nil,
			[]string{"kube-system k8s-app=kube-dns", "kube-system k8s-app=node-local-dns", "openshift-dns ", "169.254.20.10/32", "169.254.25.10/32", "169.254.169.254/32",
				"34.118.224.10/32", "10.96.0.10/32", "10.100.0.10/32", "172.20.0.10/32", "10.0.0.10/32", "10.43.0.10/32", "100.64.0.10/32"},
			[]string{"53", "5353"}},
		"OpenShift's alone": {chart.Values{"networkPolicy.egress.dns": chart.List{chart.Map{"namespaceSelector": chart.Map{"matchLabels": chart.Map{"kubernetes.io/metadata.name": "openshift-dns"}}}}},
			[]string{"openshift-dns "}, []string{"53", "5353"}},
		"another port": {chart.Values{"networkPolicy.egress.dns": chart.List{aBlock("10.0.0.10/32")}, "networkPolicy.egress.dnsPorts": chart.List{1053}},
			[]string{"10.0.0.10/32"}, []string{"1053"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rule := charttest.One[*networkingv1.NetworkPolicy](t, charttest.Render(t, tc.values)).Spec.Egress[0]
			var peers, ports []string
			for _, to := range rule.To {
				if to.IPBlock != nil {
					peers = append(peers, to.IPBlock.CIDR)
					continue
				}
				peers = append(peers, to.NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"]+" "+strings.TrimPrefix(metav1.FormatLabelSelector(to.PodSelector), "<none>"))
			}
			assert.Equal(t, tc.peers, peers)
			for _, port := range rule.Ports {
				ports = append(ports, port.Port.String()+string(*port.Protocol))
			}
			var want []string
			for _, port := range tc.ports {
				want = append(want, port+"UDP", port+"TCP")
			}
			assert.Equal(t, want, ports)
		})
	}
}

// The servers that hand out credentials are reachable only by name, on their port.
func TestPolicyAllowsCloudIdentityByName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]string{
		"eks-pod-identity": {"169.254.170.23/32 80", "fd00:ec2::23/128 80"},
		"gke-metadata":     {"169.254.169.252/32 988", "169.254.169.254/32 80"},
		"azure-imds":       {"169.254.169.254/32 80"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			policy := charttest.One[*networkingv1.NetworkPolicy](t, charttest.Render(t, chart.Values{"networkPolicy.egress.cloudIdentity": chart.List{name}}))
			var found []string
			for _, rule := range policy.Spec.Egress[5:] {
				for _, to := range rule.To {
					found = append(found, to.IPBlock.CIDR+" "+rule.Ports[0].Port.String())
				}
			}
			assert.Equal(t, want, found)
		})
	}
}

// Rules of a policy add up: none for the public internet may include a private
// address, regardless of the model's address.
func TestPolicyExcludesPrivateAddresses(t *testing.T) {
	t.Parallel()
	for name, values := range map[string]chart.Values{
		"the sample model":     nil,
		"a public model":       {"config.OPENAI_BASE_URL": "https://model.eu.example.com/v1"},
		"a public model alone": {"config.OPENAI_BASE_URL": "https://model.eu.example.com/v1", "networkPolicy.egress.https": false},
		"a model on a port":    {"config.OPENAI_BASE_URL": "https://model.eu.example.com:8443/v1"},
		"a public database":    {"config.DATABASE_URL": "postgresql://db.eu.example.com/agents"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			policy := charttest.One[*networkingv1.NetworkPolicy](t, charttest.Render(t, values))
			assert.Equal(t, []networkingv1.PolicyType{"Ingress", "Egress"}, policy.Spec.PolicyTypes)
			wide := 0
			for _, rule := range policy.Spec.Egress {
				for _, to := range rule.To {
					if to.IPBlock == nil || !strings.HasSuffix(to.IPBlock.CIDR, "/0") {
						continue
					}
					wide++
					if to.IPBlock.CIDR == "::/0" {
						assert.Equal(t, notPublic6, to.IPBlock.Except)
						continue
					}
					assert.Equal(t, notPublic, to.IPBlock.Except)
				}
			}
			assert.Positive(t, wide, "the public internet is allowed")
		})
	}
	closed := charttest.Render(t, chart.Values{"networkPolicy.egress.https": false})
	assert.Len(t, charttest.One[*networkingv1.NetworkPolicy](t, closed).Spec.Egress, 4, "DNS and three servers")
}

// proxy.corp may be a Service in the namespace corp, or a name outside the cluster.
func TestNameOfTwoPartsMayBeInsideOrOutside(t *testing.T) {
	t.Parallel()
	policy := charttest.One[*networkingv1.NetworkPolicy](t, charttest.Render(t, chart.Values{"config.OPENAI_BASE_URL": "http://proxy.corp:4000"}))
	to := policy.Spec.Egress[3].To
	require.Len(t, to, 3)
	assert.Equal(t, map[string]string{"kubernetes.io/metadata.name": "corp"}, to[0].NamespaceSelector.MatchLabels)
	assert.Equal(t, "0.0.0.0/0", to[1].IPBlock.CIDR)
}

// Naming pods makes each node learn of a new client before the agent answers it, so
// only values do. `helm test` asks the agent, so its pods are admitted then.
func TestPolicyAdmitsAnyClientUnlessPeersAreNamed(t *testing.T) {
	t.Parallel()
	peers := chart.List{chart.Map{"podSelector": chart.Map{"matchLabels": chart.Map{"role": "client"}}}}
	for name, tc := range map[string]struct {
		values chart.Values
		roles  []string // of the peers; none means anyone
	}{
		"the default":       {nil, nil},
		"null":              {chart.Values{"networkPolicy.ingress.from": nil}, nil},
		"peers":             {chart.Values{"networkPolicy.ingress.from": peers}, []string{"client", "test"}},
		"peers and no test": {chart.Values{"networkPolicy.ingress.from": peers, "helmTest.enabled": false}, []string{"client"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			policy := charttest.One[*networkingv1.NetworkPolicy](t, charttest.Render(t, tc.values))
			require.Len(t, policy.Spec.Ingress, 1)
			var ports, roles []string
			for _, port := range policy.Spec.Ingress[0].Ports {
				ports = append(ports, port.Port.String())
			}
			assert.Equal(t, []string{"8000", "9090"}, ports, "any client, but not any port")
			for _, from := range policy.Spec.Ingress[0].From {
				labels := from.PodSelector.MatchLabels
				roles = append(roles, labels["role"]+labels["app.kubernetes.io/component"])
			}
			assert.Equal(t, tc.roles, roles)
		})
	}
}

// A port of the Service may lead to another container, which the policy opens too. Its
// connections are not those of the agent, so SIGTERM does not wait for them.
func TestPolicyAdmitsClientsOfSidecars(t *testing.T) {
	t.Parallel()
	objects := charttest.Render(t, servicePorts(
		chart.Map{"name": "admin", "port": 81, "targetPort": "admin"}, chart.Map{"name": "a", "port": 82, "targetPort": "a"},
	).And(chart.Values{
		"extraContainers": chart.List{chart.Map{"name": "proxy", "image": "proxy:1", "ports": chart.List{chart.Map{"name": "admin", "containerPort": 7000}}}},
		"drain.until":     "connections",
	}))
	var ports []string
	for _, port := range charttest.One[*networkingv1.NetworkPolicy](t, objects).Spec.Ingress[0].Ports {
		ports = append(ports, port.Port.String())
	}
	assert.Equal(t, []string{"8000", "9090", "8080", "admin"}, ports)
	hook := charttest.One[*appsv1.Deployment](t, objects).Spec.Template.Spec.Containers[0].Lifecycle.PreStop.Exec.Command
	assert.Contains(t, strings.Join(hook, " "), ":(1F40|1F90)")
}
