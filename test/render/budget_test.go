package render

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"example.com/ai-agent/test/internal/chart"
)

// Everything that ends a run early, derived from the one value that says how
// long a run is.
func TestRunBudget(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		maxRun, grace, idle, request, window, job int
	}{
		{maxRun: 60, grace: 90, idle: 300, request: 90, window: 300, job: 360},
		{maxRun: 300, grace: 330, idle: 300, request: 330, window: 300, job: 840},
		{maxRun: 900, grace: 930, idle: 900, request: 930, window: 900, job: 2040},
		{maxRun: 7200, grace: 7230, idle: 7200, request: 7230, window: 3600, job: 14640},
	} {
		t.Run(fmt.Sprint(tc.maxRun), func(t *testing.T) {
			t.Parallel()
			objects := chart.Render(t, chart.Values{
				"agent.maxRunSeconds":  fmt.Sprint(tc.maxRun),
				"ingress.hosts":        `[{"host": "agent.example.com"}]`,
				"httpRoute.enabled":    "true",
				"httpRoute.parentRefs": `[{"name": "public"}]`,
				"schedules.daily":      `{"schedule": "@daily", "task": "report"}`,
			})
			deployment := chart.One[*appsv1.Deployment](t, objects)
			pod := deployment.Spec.Template.Spec
			assert.EqualValues(t, tc.grace, *pod.TerminationGracePeriodSeconds)
			assert.EqualValues(t, 10, pod.Containers[0].Lifecycle.PreStop.Sleep.Seconds)
			ingress := chart.One[*networkingv1.Ingress](t, objects).Annotations
			assert.Equal(t, fmt.Sprint(tc.idle), ingress["nginx.ingress.kubernetes.io/proxy-read-timeout"])
			assert.Equal(t, fmt.Sprint(tc.idle), ingress["nginx.ingress.kubernetes.io/proxy-send-timeout"])
			hpa := chart.One[*autoscalingv2.HorizontalPodAutoscaler](t, objects)
			assert.EqualValues(t, tc.window, *hpa.Spec.Behavior.ScaleDown.StabilizationWindowSeconds)
			job := chart.One[*batchv1.CronJob](t, objects).Spec.JobTemplate.Spec
			assert.EqualValues(t, tc.job, *job.ActiveDeadlineSeconds)
			assert.EqualValues(t, tc.grace, *job.Template.Spec.TerminationGracePeriodSeconds)
			assert.Equal(t, fmt.Sprint(tc.maxRun), chart.One[*corev1.ConfigMap](t, objects).Data["MAX_RUN_SECONDS"])

			route := chart.One[*unstructured.Unstructured](t, objects)
			rules, _, err := unstructured.NestedSlice(route.Object, "spec", "rules")
			require.NoError(t, err)
			timeout := fmt.Sprintf("%ds", tc.request)
			assert.Equal(t, map[string]any{"request": timeout, "backendRequest": timeout}, rules[0].(map[string]any)["timeouts"])
		})
	}
}

// A hung agent finishes nothing: its restart does not wait the pod's long grace.
func TestProbesKillSoon(t *testing.T) {
	t.Parallel()
	container := agentOf(t, nil)
	assert.EqualValues(t, 10, *container.LivenessProbe.TerminationGracePeriodSeconds)
	assert.EqualValues(t, 10, *container.StartupProbe.TerminationGracePeriodSeconds)
}

// A controller's own way to keep a stream open, as its documentation has it.
func TestIngressTimeoutsByController(t *testing.T) {
	t.Parallel()
	for class, want := range map[string]map[string]string{
		"": {
			"nginx.ingress.kubernetes.io/proxy-read-timeout": "600",
			"nginx.ingress.kubernetes.io/proxy-send-timeout": "600",
			"nginx.ingress.kubernetes.io/proxy-buffering":    "off",
		},
		"traefik": nil,
		"haproxy": {"haproxy.org/timeout-server": "600s", "haproxy-ingress.github.io/timeout-server": "600s"},
		"alb": {
			"alb.ingress.kubernetes.io/target-type":              "ip",
			"alb.ingress.kubernetes.io/healthcheck-path":         "/ready",
			"alb.ingress.kubernetes.io/load-balancer-attributes": "idle_timeout.timeout_seconds=600",
			"alb.ingress.kubernetes.io/target-group-attributes":  "deregistration_delay.timeout_seconds=630",
		},
		"gce":                       {"kubernetes.io/ingress.class": "gce"},
		"gce-internal":              {"kubernetes.io/ingress.class": "gce-internal"},
		"azure-application-gateway": nil,
	} {
		t.Run(class, func(t *testing.T) {
			t.Parallel()
			objects := chart.Render(t, chart.Values{
				"agent.maxRunSeconds": "600",
				"ingress.className":   fmt.Sprintf("%q", class),
				"ingress.hosts":       `[{"host": "agent.example.com"}]`,

				"networkPolicy.ingress.from": `[{"ipBlock": {"cidr": "10.0.0.0/16"}}]`,
			})
			ingress := chart.One[*networkingv1.Ingress](t, objects)
			assert.Equal(t, want, ingress.Annotations)
			isGKE := strings.HasPrefix(class, "gce")
			assert.Equal(t, class != "" && !isGKE, ingress.Spec.IngressClassName != nil, "GKE ignores an Ingress with a class")
			configs := chart.All[*unstructured.Unstructured](objects)
			service := chart.One[*corev1.Service](t, objects)
			if !isGKE {
				assert.Empty(t, configs)
				assert.Empty(t, service.Annotations)
				return
			}
			require.Len(t, configs, 1, "the BackendConfig")
			seconds, _, err := unstructured.NestedFieldNoCopy(configs[0].Object, "spec", "timeoutSec")
			require.NoError(t, err)
			assert.EqualValues(t, 630, seconds)
			assert.Equal(t, map[string]string{"cloud.google.com/backend-config": `{"default":"ai-agent"}`}, service.Annotations)
		})
	}
}

func TestOwnAnnotationsWin(t *testing.T) {
	t.Parallel()
	ingress := chart.One[*networkingv1.Ingress](t, chart.Render(t, chart.Values{
		"ingress.hosts":       `[{"host": "agent.example.com"}]`,
		"ingress.annotations": `{"nginx.ingress.kubernetes.io/proxy-read-timeout": "900"}`,
	}))
	assert.Equal(t, "900", ingress.Annotations["nginx.ingress.kubernetes.io/proxy-read-timeout"])
	assert.Equal(t, "300", ingress.Annotations["nginx.ingress.kubernetes.io/proxy-send-timeout"])
}
