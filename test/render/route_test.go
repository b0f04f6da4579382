package render

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
)

// The Gateway API refuses a backendRequest that exceeds request: whichever is
// given, the other one follows.
func TestRouteTimeouts(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		given                   chart.Map
		request, backendRequest string
	}{
		{chart.Map{}, "330s", "330s"},
		{chart.Map{"request": "310s"}, "310s", "310s"},
		{chart.Map{"backendRequest": "400s"}, "400s", "400s"},
		{chart.Map{"request": "10m", "backendRequest": "310s"}, "10m", "310s"},
		{chart.Map{"request": "0s"}, "0s", "0s"},
	} {
		objects := charttest.Render(t, aGateway.With("httpRoute.timeouts", tc.given))
		assert.Equal(t, tc.request, field(t, objects, "HTTPRoute/ai-agent", ".spec.rules[0].timeouts.request"), tc.given)
		assert.Equal(t, tc.backendRequest, field(t, objects, "HTTPRoute/ai-agent", ".spec.rules[0].timeouts.backendRequest"), tc.given)
	}
}

// The manifest has every field that the API server would add, so that a GitOps
// controller finds no difference between it and the live object.
func TestRouteStatesWhatTheAPIServerAdds(t *testing.T) {
	t.Parallel()
	spec := func(values chart.Values) map[string]any {
		route := unstructuredOf(t, charttest.Render(t, aGateway.And(values)), "HTTPRoute")
		return route.Object["spec"].(map[string]any)
	}
	rule := func(spec map[string]any) map[string]any { return spec["rules"].([]any)[0].(map[string]any) }

	got := spec(chart.Values{"httpRoute.parentRefs": chart.List{
		chart.Map{"name": "public", "namespace": "gateways"},
		chart.Map{"name": "mesh", "group": "", "kind": "Service", "port": 80},
	}})
	assert.Equal(t, []any{
		map[string]any{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "public", "namespace": "gateways"},
		map[string]any{"group": "", "kind": "Service", "name": "mesh", "port": 80.0},
	}, got["parentRefs"])
	assert.Equal(t, []any{
		map[string]any{"group": "", "kind": "Service", "name": "ai-agent-service", "port": 80.0, "weight": 1.0},
	}, rule(got)["backendRefs"])

	got = spec(chart.Values{"httpRoute.matches": chart.List{
		chart.Map{"headers": chart.List{chart.Map{"name": "a", "value": "b"}}},
		chart.Map{"path": chart.Map{"value": "/a"}, "queryParams": chart.List{chart.Map{"name": "a", "value": "b", "type": "RegularExpression"}}},
		chart.Map{"path": chart.Map{"type": "Exact"}, "method": "POST"},
	}})
	prefix := func(kind, value string) map[string]any { return map[string]any{"type": kind, "value": value} }
	assert.Equal(t, []any{
		map[string]any{"path": prefix("PathPrefix", "/"), "headers": []any{map[string]any{"name": "a", "value": "b", "type": "Exact"}}},
		map[string]any{"path": prefix("PathPrefix", "/a"), "queryParams": []any{map[string]any{"name": "a", "value": "b", "type": "RegularExpression"}}},
		map[string]any{"path": prefix("Exact", "/"), "method": "POST"},
	}, rule(got)["matches"])
}
