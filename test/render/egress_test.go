package render

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	networkingv1 "k8s.io/api/networking/v1"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
)

// urls are further servers of the network policy.
func urls(list ...any) chart.Values {
	return chart.Values{"networkPolicy.egress.urls": chart.List(list)}
}

// The policy allows exactly the servers of the URLs, as it does for those in the agent's
// environment, and no rule asks for them once more.
func TestEgressURLs(t *testing.T) {
	t.Parallel()
	allowed := func(values chart.Values) []string {
		var rules []string
		for _, rule := range charttest.One[*networkingv1.NetworkPolicy](t, charttest.Render(t, values)).Spec.Egress {
			peer := "anyone"
			switch to := rule.To[0]; {
			case to.NamespaceSelector != nil:
				peer = to.NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"]
			case to.PodSelector != nil:
				peer = "this namespace"
			case to.IPBlock != nil:
				peer = to.IPBlock.CIDR
			}
			rules = append(rules, fmt.Sprintf("%s:%s", peer, rule.Ports[0].Port))
		}
		return rules
	}
	before := allowed(nil)
	for url, want := range map[string][]string{
		"amqp://broker:5672":            {"this namespace:5672"},
		"http://search.data.svc:9200":   {"data:9200"},
		"https://10.1.2.3:8443/x":       {"10.1.2.3/32:8443"},
		"https://api.example.com:8443":  {"0.0.0.0/0:8443"},
		"https://api.example.com":       nil,
		"mongodb://a.x.svc,b.y.svc/all": {"x:27017", "y:27017"},
		"$(BROKER_URL)":                 {"this namespace:5673"},
	} {
		var added []string
		for _, rule := range allowed(urls(url).With("config.BROKER_URL", "amqp://broker:5673")) {
			if !slices.Contains(before, rule) {
				added = append(added, rule)
			}
		}
		assert.Equal(t, want, added, url)
	}
	var found []string
	for _, f := range charttest.Findings(t, chart.Options{Set: urls("postgresql://db.x.svc:5432").And(chart.Values{"env": chart.List{chart.Map{
		"name": "DATABASE_URL", "valueFrom": chart.Map{"secretKeyRef": chart.Map{"name": "a", "key": "b"}},
	}}})}) {
		found = append(found, f.ID)
	}
	assert.NotContains(t, found, "url-unknown")
}
