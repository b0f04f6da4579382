package render

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
)

// alertCase has series, a sample a minute, and which alerts fire on them, each
// with the time at which it first does. <name> is the Deployment's name, <pod>
// that of one of its pods; <blue> and <daily> are pods of the Deployment <name>-blue
// and of a schedule.
type alertCase struct {
	about  string // the alert
	name   string
	values chart.Values
	series []string
	fires  map[string]time.Duration
	until  time.Duration // at which the alert it is about fires for the last time, if that matters
}

const minute = time.Minute

var monitored = chart.Values{"podMonitor.enabled": true}

// alertCases have for each alert series on which it fires, and similar ones on
// which it does not.
var alertCases = []alertCase{
	{about: "AIAgentRunInterrupted", name: "a run failed", series: []string{
		`agent_runs_total{namespace="default", pod="<pod>", outcome="failed"} 0x5 1x30`,
	}, fires: map[string]time.Duration{"AIAgentRunInterrupted": 6 * minute}},
	{about: "AIAgentRunInterrupted", name: "the agent was killed with a run in flight", series: []string{
		`kube_pod_container_status_restarts_total{namespace="default", pod="<pod>", container="agent"} 0x5 1x30`,
		`agent_runs_in_flight{namespace="default", pod="<pod>"} 0x3 1 0x30`,
	}, fires: map[string]time.Duration{"AIAgentRunInterrupted": 6 * minute, "AIAgentRestarts": 6 * minute}},
	{about: "AIAgentRunInterrupted", name: "a pod exhausts its grace period", series: []string{
		`kube_pod_deletion_timestamp{namespace="default", pod="<pod>"} 600x30`,
	}, fires: map[string]time.Duration{"AIAgentRunInterrupted": 10 * minute}},
	{about: "AIAgentRunInterrupted", name: "all of these at once", series: []string{
		`agent_runs_total{namespace="default", pod="<pod>", outcome="failed"} 0x5 1x30`,
		`kube_pod_container_status_restarts_total{namespace="default", pod="<pod>", container="agent"} 0x7 1x30`,
		`agent_runs_in_flight{namespace="default", pod="<pod>"} 1x30`,
		`kube_pod_deletion_timestamp{namespace="default", pod="<pod>"} 600x30`,
	}, fires: map[string]time.Duration{"AIAgentRunInterrupted": 6 * minute, "AIAgentRestarts": 8 * minute}},
	{about: "AIAgentRunInterrupted", name: "runs complete", series: []string{
		`agent_runs_total{namespace="default", pod="<pod>", outcome="completed"} 0+1x30`,
		`agent_runs_total{namespace="default", pod="<pod>", outcome="failed"} 0x30`,
		`agent_runs_in_flight{namespace="default", pod="<pod>"} 3x30`,
	}},
	{about: "AIAgentRunInterrupted", name: "an idle agent was killed", series: []string{
		`kube_pod_container_status_restarts_total{namespace="default", pod="<pod>", container="agent"} 0x5 1x30`,
		`agent_runs_in_flight{namespace="default", pod="<pod>"} 0x30`,
	}, fires: map[string]time.Duration{"AIAgentRestarts": 6 * minute}},
	{about: "AIAgentRunInterrupted", name: "a sidecar was killed", series: []string{
		`kube_pod_container_status_restarts_total{namespace="default", pod="<pod>", container="proxy"} 0x5 1x30`,
		`agent_runs_in_flight{namespace="default", pod="<pod>"} 1x30`,
	}, fires: map[string]time.Duration{"AIAgentRestarts": 6 * minute}},
	{about: "AIAgentRunInterrupted", name: "a pod ends within its grace period", series: []string{
		`kube_pod_deletion_timestamp{namespace="default", pod="<pod>"} 600x8 stale`,
	}},
	{about: "AIAgentRunInterrupted", name: "a run failed in a pod that is gone", series: []string{
		`agent_runs_total{namespace="default", pod="<pod>", outcome="failed"} 0x5 1 stale`,
	}, fires: map[string]time.Duration{"AIAgentRunInterrupted": 6 * minute}, until: 14 * minute},
	{about: "AIAgentRunInterrupted", name: "a pod exhausted its grace period and is gone", series: []string{
		`kube_pod_deletion_timestamp{namespace="default", pod="<pod>"} 610x10 stale`,
	}, fires: map[string]time.Duration{"AIAgentRunInterrupted": 10 * minute}, until: 20 * minute},
	{about: "AIAgentRunInterrupted", name: "a pod with runs in flight is gone", series: []string{
		`agent_runs_in_flight{namespace="default", pod="<pod>"} 0x3 2x3 stale`,
		`kube_pod_created{namespace="default", pod="<pod>"} 0x7 stale`,
	}, fires: map[string]time.Duration{"AIAgentRunInterrupted": 8 * minute}, until: 16 * minute},
	{about: "AIAgentRunInterrupted", name: "a pod is gone after its last run", series: []string{
		`agent_runs_in_flight{namespace="default", pod="<pod>"} 2x7 0 stale`,
		`kube_pod_created{namespace="default", pod="<pod>"} 0x8 stale`,
	}},
	{about: "AIAgentRunInterrupted", name: "a scrape of a busy pod fails", series: []string{
		`agent_runs_in_flight{namespace="default", pod="<pod>"} 2x7 stale`,
		`kube_pod_created{namespace="default", pod="<pod>"} 0x30`,
	}},
	{about: "AIAgentRunInterrupted", name: "an idle pod exhausts its grace period", series: []string{
		`kube_pod_deletion_timestamp{namespace="default", pod="<pod>"} 600x30`,
		`agent_runs_in_flight{namespace="default", pod="<pod>"} 2x5 0x30`,
	}},
	{about: "AIAgentRunInterrupted", name: "runs of other pods failed", series: []string{
		`agent_runs_total{namespace="default", pod="<blue>", outcome="failed"} 0x5 1x30`,
		`agent_runs_total{namespace="default", pod="<daily>", outcome="failed"} 0x5 1x30`,
		`agent_runs_total{namespace="default", pod="<name>-cache-x2x4z", outcome="failed"} 0x5 1x30`,
		`agent_runs_total{namespace="default", pod="my-<pod>", outcome="failed"} 0x5 1x30`,
		`agent_runs_total{namespace="other", pod="<pod>", outcome="failed"} 0x5 1x30`,
	}},

	{about: "AIAgentPodEvicted", name: "a pod was evicted and remains", series: []string{
		`kube_pod_status_reason{namespace="default", pod="<pod>", reason="Evicted"} 0x5 1x30`,
		`kube_pod_status_reason{namespace="default", pod="<pod>", reason="TerminationByKubelet"} 0x5 1x30`,
	}, fires: map[string]time.Duration{"AIAgentPodEvicted": 6 * minute}, until: 20 * minute},
	{about: "AIAgentPodEvicted", name: "a pod was evicted and removed", series: []string{
		`kube_pod_status_reason{namespace="default", pod="<pod>", reason="Evicted"} _x6 1 stale`,
	}, fires: map[string]time.Duration{"AIAgentPodEvicted": 6 * minute}, until: 20 * minute},
	{about: "AIAgentPodEvicted", name: "a node was lost", series: []string{
		`kube_pod_status_reason{namespace="default", pod="<pod>", reason="NodeLost"} 0x5 1x30`,
	}, fires: map[string]time.Duration{"AIAgentPodEvicted": 6 * minute}},
	{about: "AIAgentPodEvicted", name: "a pod ended by itself", series: []string{
		`kube_pod_status_reason{namespace="default", pod="<pod>", reason="Evicted"} 0x30`,
		`kube_pod_status_reason{namespace="default", pod="<pod>", reason="UnexpectedAdmissionError"} 0x5 1x30`,
		`kube_pod_status_reason{namespace="default", pod="<pod>", reason="PreemptionByScheduler"} 0x5 1x30`,
	}},
	{about: "AIAgentPodEvicted", name: "other pods were evicted", series: []string{
		`kube_pod_status_reason{namespace="default", pod="<blue>", reason="Evicted"} 0x5 1x30`,
		`kube_pod_status_reason{namespace="default", pod="<daily>", reason="Evicted"} 0x5 1x30`,
		`kube_pod_status_reason{namespace="other", pod="<pod>", reason="Evicted"} 0x5 1x30`,
	}},

	{about: "AIAgentMetricsMissing", name: "no target is up", values: monitored, series: []string{
		`kube_deployment_status_replicas_available{namespace="default", deployment="<name>"} 2x40`,
		`up{namespace="default", pod="<pod>"} 1x5 0x40`,
		`up{namespace="default", pod="<blue>"} 1x40`,
	}, fires: map[string]time.Duration{"AIAgentMetricsMissing": 21 * minute}},
	{about: "AIAgentMetricsMissing", name: "there is no target", values: monitored, series: []string{
		`kube_deployment_status_replicas_available{namespace="default", deployment="<name>"} 2x40`,
	}, fires: map[string]time.Duration{"AIAgentMetricsMissing": 15 * minute}},
	{about: "AIAgentMetricsMissing", name: "a target is up", values: monitored, series: []string{
		`kube_deployment_status_replicas_available{namespace="default", deployment="<name>"} 2x40`,
		`up{namespace="default", pod="<pod>"} 1x40`,
	}},
	{about: "AIAgentMetricsMissing", name: "no pod is available", values: monitored, series: []string{
		`kube_deployment_status_replicas_available{namespace="default", deployment="<name>"} 0x40`,
	}},

	{about: "AIAgentRunAbandoned", name: "a client disconnected", series: []string{
		`agent_runs_total{namespace="default", pod="<pod>", outcome="abandoned"} 0x5 1x30`,
	}, fires: map[string]time.Duration{"AIAgentRunAbandoned": 6 * minute}},
	{about: "AIAgentRunAbandoned", name: "a run was refused", series: []string{
		`agent_runs_total{namespace="default", pod="<pod>", outcome="refused"} 0x5 1x30`,
		`agent_runs_total{namespace="default", pod="<pod>", outcome="abandoned"} 7x30`,
	}},

	{about: "AIAgentRunOverBudget", name: "a run exceeded its budget", series: []string{
		`agent_runs_total{namespace="default", pod="<pod>", outcome="over_budget"} 0x5 1x30`,
	}, fires: map[string]time.Duration{"AIAgentRunOverBudget": 6 * minute}},
	{about: "AIAgentRunOverBudget", name: "a run exceeded its budget long ago", series: []string{
		`agent_runs_total{namespace="default", pod="<pod>", outcome="over_budget"} 7x30`,
	}},

	{about: "AIAgentNotReady", name: "a pod stays unavailable", series: []string{
		`kube_deployment_status_replicas_unavailable{namespace="default", deployment="<name>"} 0x5 1x30`,
	}, fires: map[string]time.Duration{"AIAgentNotReady": 11 * minute}},
	{about: "AIAgentNotReady", name: "a pod stays unavailable for longer than it may take to start", values: chart.Values{"startupProbe.failureThreshold": 600}, series: []string{
		`kube_deployment_status_replicas_unavailable{namespace="default", deployment="<name>"} 0x5 1x30`,
	}, fires: map[string]time.Duration{"AIAgentNotReady": 17 * minute}},
	{about: "AIAgentNotReady", name: "a pod becomes ready in time, twice", series: []string{
		`kube_deployment_status_replicas_unavailable{namespace="default", deployment="<name>"} 0x5 1x4 0 1x4 0x20`,
	}},
	{about: "AIAgentNotReady", name: "a pod takes as long to start as it may", values: chart.Values{"startupProbe.failureThreshold": 600}, series: []string{
		`kube_deployment_status_replicas_unavailable{namespace="default", deployment="<name>"} 0x5 1x10 0x20`,
	}},
	{about: "AIAgentNotReady", name: "pods of another Deployment stay unavailable", series: []string{
		`kube_deployment_status_replicas_unavailable{namespace="default", deployment="my-<name>"} 1x30`,
		`kube_deployment_status_replicas_unavailable{namespace="other", deployment="<name>"} 1x30`,
	}},

	{about: "AIAgentAtMaximum", name: "the autoscaler stays at its maximum", series: []string{
		`kube_horizontalpodautoscaler_status_current_replicas{namespace="default", horizontalpodautoscaler="<name>-hpa"} 9x5 10x30`,
		`kube_horizontalpodautoscaler_spec_max_replicas{namespace="default", horizontalpodautoscaler="<name>-hpa"} 10x30`,
	}, fires: map[string]time.Duration{"AIAgentAtMaximum": 21 * minute}},
	{about: "AIAgentAtMaximum", name: "the autoscaler leaves its maximum in time", series: []string{
		`kube_horizontalpodautoscaler_status_current_replicas{namespace="default", horizontalpodautoscaler="<name>-hpa"} 9x5 10x14 9x30`,
		`kube_horizontalpodautoscaler_spec_max_replicas{namespace="default", horizontalpodautoscaler="<name>-hpa"} 10x30`,
	}},
	{about: "AIAgentAtMaximum", name: "the autoscaler stays below its maximum", series: []string{
		`kube_horizontalpodautoscaler_status_current_replicas{namespace="default", horizontalpodautoscaler="<name>-hpa"} 9x30`,
		`kube_horizontalpodautoscaler_spec_max_replicas{namespace="default", horizontalpodautoscaler="<name>-hpa"} 10x30`,
	}},

	{about: "AIAgentRestarts", name: "a container restarts", series: []string{
		`kube_pod_container_status_restarts_total{namespace="default", pod="<pod>", container="agent"} 3x5 4x30`,
	}, fires: map[string]time.Duration{"AIAgentRestarts": 6 * minute}},
	{about: "AIAgentRestarts", name: "a container restarted long ago", series: []string{
		`kube_pod_container_status_restarts_total{namespace="default", pod="<pod>", container="agent"} 3x30`,
	}},
	{about: "AIAgentRestarts", name: "a container of a schedule restarts", series: []string{
		`kube_pod_container_status_restarts_total{namespace="default", pod="<daily>", container="agent"} 0x5 1x30`,
	}},
}

// Each alert fires on what it is about and on nothing else, after the time that
// it is given, regardless of the release's name.
func TestAlerts(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"ai-agent", "a", "on", strings.Repeat("a", 46), strings.Repeat("a", 47), strings.Repeat("a", 50), strings.Repeat("a", 53), "a-" + strings.Repeat("b", 51)} {
		for _, tc := range alertCases {
			t.Run(name+" "+tc.about+": "+tc.name, func(t *testing.T) {
				t.Parallel()
				alerts := alertsOf(t, renderOnce(t, tc.values.And(chart.Values{"prometheusRule.enabled": true, "fullnameOverride": name})))
				names := strings.NewReplacer("<name>", name, "<pod>", podOf(name), "<blue>", podOf(name+"-blue"), "<daily>", generated(scheduleOf(name)+"-29250720-"))
				var descriptions []string
				for _, description := range tc.series {
					descriptions = append(descriptions, names.Replace(description))
				}
				fired, last := firing(t, alerts, newSeries(t, descriptions), 30*minute)
				assert.Equal(t, len(tc.fires), len(fired))
				for alert, at := range tc.fires {
					assert.Equal(t, at, fired[alert], alert)
				}
				if tc.until > 0 {
					assert.Equal(t, tc.until, last[tc.about])
				}
			})
		}
	}
}

// A pod of a StatefulSet that was killed returns at once under its name, with another
// address: its metrics must not hide interrupted runs of the killed pod.
func TestAlertsOfPodsThatKeepTheirName(t *testing.T) {
	t.Parallel()
	alerts := alertsOf(t, renderOnce(t, perPod.With("prometheusRule.enabled", true)))
	inFlight := func(address, values string) string {
		return fmt.Sprintf(`agent_runs_in_flight{namespace="default", pod="ai-agent-0", instance=%q} %s`, address, values)
	}
	created := []string{
		`kube_pod_created{namespace="default", pod="ai-agent-0", uid="1"} 0x10 stale`,
		`kube_pod_created{namespace="default", pod="ai-agent-0", uid="2"} _x11 630x30`,
	}
	for name, tc := range map[string]struct {
		series      []string
		first, last time.Duration
	}{
		"killed with a run in flight":      {[]string{inFlight("a", "0x3 2x6 stale"), inFlight("b", "_x11 0x30")}, 11 * minute, 19 * minute},
		"killed, and the next one is busy": {[]string{inFlight("a", "0x3 2x6 stale"), inFlight("b", "_x11 3x30")}, 11 * minute, 19 * minute},
		"replaced after its last run":      {[]string{inFlight("a", "2x9 0 stale"), inFlight("b", "_x11 3x30")}, 0, 0},
		"a scrape of the next pod fails":   {[]string{inFlight("a", "2x9 0 stale"), inFlight("b", "_x11 3x5 stale")}, 0, 0},
		"exhausts its grace period": {[]string{
			inFlight("a", "2x10 stale"), inFlight("b", "_x11 0x30"), `kube_pod_deletion_timestamp{namespace="default", pod="ai-agent-0", uid="1"} 600x10 stale`,
		}, 10 * minute, 20 * minute},
		"exhausts its grace period without a run": {[]string{
			inFlight("a", "2x5 0x4 stale"), inFlight("b", "_x11 3x30"), `kube_pod_deletion_timestamp{namespace="default", pod="ai-agent-0", uid="1"} 600x10 stale`,
		}, 0, 0},
	} {
		first, last := firing(t, alerts, newSeries(t, append(tc.series, created...)), 30*minute)
		assert.Equal(t, tc.first, first["AIAgentRunInterrupted"], name)
		assert.Equal(t, tc.last, last["AIAgentRunInterrupted"], name)
	}
}

// Every alert has a case in which it fires and one in which it does not.
func TestEveryAlertHasCases(t *testing.T) {
	t.Parallel()
	var rendered []string
	for _, alert := range alertsOf(t, renderOnce(t, monitored.With("prometheusRule.enabled", true))) {
		rendered = append(rendered, alert.Alert)
		assert.Contains(t, []string{"warning", "critical"}, alert.Labels["severity"], alert.Alert)
		assert.NotEmpty(t, alert.Annotations["summary"], alert.Alert)
		assert.NotEmpty(t, alert.Annotations["description"], alert.Alert)
	}
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, tc := range alertCases {
		if _, expected := tc.fires[tc.about]; expected {
			fires[tc.about] = true
		} else {
			silent[tc.about] = true
		}
	}
	assert.ElementsMatch(t, rendered, slices.Collect(maps.Keys(fires)), "alerts that fire in a case")
	assert.ElementsMatch(t, rendered, slices.Collect(maps.Keys(silent)), "alerts that are silent in a case")
}

// However long its hash, and however short what remains of it, the name of a pod of the
// release matches, and no name that only begins alike.
func TestAlertsSelectThePodsOfTheRelease(t *testing.T) {
	t.Parallel()
	for length := 1; length <= 53; length++ {
		name := strings.Repeat("a", length)
		manifest := renderOnce(t, chart.Values{"prometheusRule.enabled": true, "fullnameOverride": name})
		pattern := regexp.MustCompile(`pod=~"([^"]+)"`).FindStringSubmatch(alertsOf(t, manifest)[0].Expr)[1]
		matches := regexp.MustCompile("^(?:" + pattern + ")$").MatchString
		for _, hash := range []string{"6d5f8c", "6d5f8c7", "6d5f8c7b", "6d5f8c7b9", "6d5f8c7b9d"} {
			assert.True(t, matches(generated(name+"-"+hash+"-")), "%s with the hash %s", name, hash)
		}
		for _, other := range []string{"-blue-6d5f8c7b9d-", "-b-6d5f8c7b9d-", "-cache-", "-29250720-", "-d-29250720-"} {
			assert.False(t, matches(generated(name+other)), "%s of %s", generated(name+other), name)
		}
	}
}

// Without an autoscaler there is no maximum.
func TestNoAlertOfAnAutoscalerThatIsMissing(t *testing.T) {
	t.Parallel()
	for _, alert := range alertsOf(t, renderOnce(t, chart.Values{"prometheusRule.enabled": true, "autoscaling.enabled": false})) {
		assert.NotEqual(t, "AIAgentAtMaximum", alert.Alert)
	}
}

// podOf returns the name that Kubernetes gives to a pod of a Deployment: it
// shortens what precedes the random characters to 58 of them.
func podOf(deployment string) string {
	return generated(deployment + "-6d5f8c7b9d-")
}

// scheduleOf returns the name of a schedule's CronJob, which is as long as it may be.
func scheduleOf(name string) string {
	return (name + "-daily")[:min(len(name)+len("-daily"), 52)]
}

func generated(base string) string { return base[:min(len(base), 58)] + "x2x4z" }

// Every expression of the dashboard is valid.
func TestDashboardExpressions(t *testing.T) {
	t.Parallel()
	objects := charttest.Render(t, chart.Values{"grafanaDashboard.enabled": true})
	var dashboard struct {
		Panels []struct{ Targets []struct{ Expr string } }
	}
	for _, config := range chart.All[*corev1.ConfigMap](objects) {
		if text, ok := config.Data["ai-agent.json"]; ok {
			require.NoError(t, json.Unmarshal([]byte(text), &dashboard))
		}
	}
	require.NotEmpty(t, dashboard.Panels)
	for i, panel := range dashboard.Panels {
		require.NotEmpty(t, panel.Targets)
		for _, target := range panel.Targets {
			_, err := parser.ParseExpr(target.Expr)
			require.NoError(t, err, fmt.Sprint("panel ", i))
		}
	}
}
