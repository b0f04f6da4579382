package render

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
)

// monitoring are the values that create an object of the Prometheus Operator or for
// Grafana, each with the kind and the name of its object.
var monitoring = map[string]string{
	"serviceMonitor":   "ServiceMonitor/ai-agent",
	"podMonitor":       "PodMonitor/ai-agent",
	"prometheusRule":   "PrometheusRule/ai-agent",
	"grafanaDashboard": "ConfigMap/ai-agent-dashboard",
}

// Who enables a monitor gets it, whether or not the render knows the APIs of the
// cluster: an object that is silently missing is noticed when it is needed.
func TestMonitorsAreAlwaysRendered(t *testing.T) {
	t.Parallel()
	for name, object := range monitoring {
		for _, apis := range [][]string{nil, {"monitoring.coreos.com/v1"}, {"monitoring.coreos.com/v1/ServiceMonitor"}} {
			manifest, err := charttest.Template(t, chart.Options{Set: chart.Values{name + ".enabled": true}, APIVersions: apis})
			require.NoError(t, err)
			objects, err := chart.Decode(manifest)
			require.NoError(t, err)
			assert.NotEmpty(t, field(t, objects, object, ".metadata.name"), apis)
		}
	}
}

// The labels of a monitor take precedence over the chart's own, because Prometheus
// selects by them. Those of the chart that it does not name remain.
func TestLabelsOfMonitorsTakePrecedence(t *testing.T) {
	t.Parallel()
	for name, object := range monitoring {
		objects := charttest.Render(t, chart.Values{
			name + ".enabled": true,
			name + ".labels":  chart.Map{"app": "kube-prometheus-stack", "app.kubernetes.io/instance": "", "release": "prometheus", "team": "mine"},
			"commonLabels":    chart.Map{"app": "all", "team": "all"},
		})
		for label, expected := range map[string]string{
			"app": "kube-prometheus-stack", `app\.kubernetes\.io/instance`: "", "release": "prometheus", "team": "mine", `app\.kubernetes\.io/name`: "ai-agent",
		} {
			assert.Equal(t, expected, field(t, objects, object, ".metadata.labels."+label), name)
		}
		assert.Equal(t, "ai-agent", field(t, objects, "Service/ai-agent-service", ".metadata.labels.app"))
	}
}

// Prometheus scrapes the listener that stays open while the agent drains, or the only
// one that there is.
func TestMonitorsScrapeTheMetricsPort(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		values        chart.Values
		port, service string
	}{
		"a second listener": {nil, "metrics", "metrics"},
		"one listener":      {chart.Values{"metricsPort": nil}, "http", noField},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			objects := charttest.Render(t, tc.values.With("serviceMonitor.enabled", true))
			assert.Equal(t, tc.port, field(t, objects, "ServiceMonitor/ai-agent", ".spec.endpoints[0].port"))
			assert.Equal(t, tc.service, field(t, objects, "Service/ai-agent-service", ".spec.ports[1].name"))
			objects = charttest.Render(t, tc.values.With("podMonitor.enabled", true))
			assert.Equal(t, tc.port, field(t, objects, "PodMonitor/ai-agent", ".spec.podMetricsEndpoints[0].port"))
			assert.Equal(t, noField, field(t, objects, "Service/ai-agent-service", ".spec.ports[1].name"), "only a ServiceMonitor needs it")
		})
	}
}
