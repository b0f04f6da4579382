package render

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
	"example.com/ai-agent/test/internal/profile"
)

// watched creates everything about metrics.
var watched = chart.Values{"prometheusRule.enabled": true, "grafanaDashboard.enabled": true, "podMonitor.enabled": true}

// alertNames returns the names of the alerts about a Deployment.
func alertNames(t *testing.T, values chart.Values, deployment string) []string {
	t.Helper()
	var names []string
	for _, alert := range alertsOf(t, charttest.Render(t, watched.And(values))) {
		if strings.Contains(alert.Expr, `pod=~"`+deployment+`-[`) || strings.Contains(alert.Expr, `="`+deployment+`"`) || strings.Contains(alert.Expr, `="`+deployment+`-hpa"`) {
			names = append(names, alert.Alert)
		}
	}
	return names
}

// panelsOf returns the expressions of each panel of the dashboard by its title.
func panelsOf(t *testing.T, values chart.Values) map[string][]string {
	t.Helper()
	config := byName(chart.All[*corev1.ConfigMap](charttest.Render(t, watched.And(values))))["ai-agent-dashboard"]
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	require.NoError(t, json.Unmarshal([]byte(config.Data["ai-agent.json"]), &dashboard))
	panels := map[string][]string{}
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			_, err := parser.ParseExpr(target.Expr)
			require.NoError(t, err, panel.Title)
			panels[panel.Title] = append(panels[panel.Title], target.Expr)
		}
	}
	return panels
}

// Software whose metrics have no names gets no alert and no panel about its runs.
func TestNothingAboutMetricsWithoutNames(t *testing.T) {
	t.Parallel()
	other := chart.Values{"sample.enabled": false}
	for _, alert := range alertsOf(t, charttest.Render(t, watched.And(other))) {
		assert.NotContains(t, alert.Expr, "agent_run", alert.Alert)
	}
	assert.NotContains(t, alertNames(t, other, "ai-agent"), "AIAgentRunAbandoned")
	assert.NotContains(t, alertNames(t, other, "ai-agent"), "AIAgentRunOverBudget")
	panels := panelsOf(t, other)
	assert.Len(t, panels, 1)
	assert.Contains(t, panels, "Pods: ready and desired")
	assert.Len(t, panelsOf(t, nil), 8)
}

// Names in metrics take the place of the sample agent's, with their labels, and null
// removes one.
func TestNamesOfMetrics(t *testing.T) {
	t.Parallel()
	named := chart.Values{"metrics": chart.Map{
		"runsInFlight": "busy", "runsFailed": `requests_total{status="500", path="/v1"}`, "runDuration": "latency_seconds", "runsTotal": "requests_total",
		"outcomeLabel": "status", "runsAbandoned": nil,
	}}
	expressions := map[string]string{}
	for _, alert := range alertsOf(t, charttest.Render(t, watched.And(named))) {
		expressions[alert.Alert] = alert.Expr
	}
	assert.Contains(t, expressions["AIAgentRunInterrupted"], `pod=~"ai-agent-[4-9bcdf]{6,10}-[2-9b-z]{5}", status="500", path="/v1"}[10m]`)
	assert.Contains(t, expressions["AIAgentRunInterrupted"], `max_over_time(busy{namespace="default"`)
	assert.NotContains(t, expressions, "AIAgentRunAbandoned")
	assert.Contains(t, expressions, "AIAgentRunOverBudget", "that of the sample agent")
	panels := panelsOf(t, named)
	assert.Contains(t, panels["Runs by outcome"][0], `sum by (status) (rate(requests_total{namespace="default"`)
	assert.Contains(t, panels["Duration of runs (budget: 300 s)"][0], `rate(latency_seconds_bucket{namespace="default"`)
}

// Every preset has alerts and a dashboard whose expressions are valid, and none is about a
// metric of the sample agent.
func TestMetricsOfPresets(t *testing.T) {
	t.Parallel()
	for name, metric := range map[string]string{"vllm": "vllm:request_success_total", "litellm": "litellm_proxy_failed_requests_metric_total", "n8n": "n8n_workflow_failed_total", "celery": ""} {
		values := profile.Preset(t, name).And(chart.Values{"prometheusRule.enabled": true, "grafanaDashboard.enabled": true, "config.APP": "a", "config.MODEL": "a", "image.tag": "1", "image.repository": "a"})
		var all []string
		for _, alert := range alertsOf(t, charttest.Render(t, values)) {
			all = append(all, alert.Expr)
		}
		assert.Contains(t, strings.Join(all, "\n"), metric, name)
		assert.NotContains(t, strings.Join(all, "\n"), "agent_run", name)
		panelsOf(t, values.With("podMonitor.enabled", false))
	}
}

// A worker with metrics has a monitor, and all workers have alerts: those about runs only
// with metrics.
func TestMetricsOfWorkers(t *testing.T) {
	t.Parallel()
	values := chart.Values{"workers": chart.Map{"queue": chart.Map{"args": chart.List{"a"}, "metricsPort": 9999}, "beat": chart.Map{"args": chart.List{"a"}}}}
	for _, monitor := range []string{"podMonitor", "serviceMonitor"} {
		objects := charttest.Render(t, values.And(chart.Values{monitor + ".enabled": true, monitor + ".path": "/m"}))
		assert.Equal(t, "/m", field(t, objects, "PodMonitor/ai-agent-queue", ".spec.podMetricsEndpoints[0].path"))
		assert.Equal(t, "queue", field(t, objects, "PodMonitor/ai-agent-queue", `.spec.selector.matchLabels.app\.kubernetes\.io/component`))
		assert.Equal(t, noObject, field(t, objects, "PodMonitor/ai-agent-beat", ".metadata.name"))
	}
	assert.Contains(t, alertNames(t, values, "ai-agent-queue"), "AIAgentRunAbandoned")
	assert.Contains(t, alertNames(t, values, "ai-agent-queue"), "AIAgentMetricsMissing")
	beat := alertNames(t, values, "ai-agent-beat")
	assert.Subset(t, beat, []string{"AIAgentRunInterrupted", "AIAgentNotReady", "AIAgentRestarts", "AIAgentPodEvicted"})
	assert.NotContains(t, beat, "AIAgentRunAbandoned")
	assert.NotContains(t, beat, "AIAgentMetricsMissing")
}

// However long the name of a worker's Deployment, its pods match: Kubernetes shortens it to
// 58 characters, with or without the hash.
func TestAlertsSelectThePodsOfAWorker(t *testing.T) {
	t.Parallel()
	for length := 1; length <= 40; length++ {
		deployment := strings.Repeat("a", 30) + "-" + strings.Repeat("b", length)
		objects := charttest.Render(t, watched.And(worker(strings.Repeat("b", length), nil)).With("fullnameOverride", strings.Repeat("a", 30)))
		var found bool
		for _, alert := range alertsOf(t, objects) {
			found = found || alert.Alert == "AIAgentRestarts" && matchesPod(alert.Expr, podOf(deployment))
		}
		assert.True(t, found, deployment)
	}
}

// matchesPod reports whether the selector of an expression matches the name of a pod.
func matchesPod(expr, pod string) bool {
	pattern := regexp.MustCompile(`pod=~"([^"]+)"`).FindStringSubmatch(expr)[1]
	return regexp.MustCompile("^(?:" + pattern + ")$").MatchString(pod)
}
