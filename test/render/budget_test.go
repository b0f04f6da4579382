package render

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"example.com/ai-agent/test/internal/charttest"
)

// Everything that could end a run early is derived from the one value that says
// how long a run may take.
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
			objects := charttest.Render(t, aHost.And(aGateway).And(aSchedule).With("agent.maxRunSeconds", tc.maxRun))
			deployment := charttest.One[*appsv1.Deployment](t, objects)
			pod := deployment.Spec.Template.Spec
			assert.EqualValues(t, tc.grace, *pod.TerminationGracePeriodSeconds)
			assert.EqualValues(t, 10, pod.Containers[0].Lifecycle.PreStop.Sleep.Seconds)
			ingress := charttest.One[*networkingv1.Ingress](t, objects).Annotations
			assert.Equal(t, fmt.Sprint(tc.idle), ingress["nginx.ingress.kubernetes.io/proxy-read-timeout"])
			assert.Equal(t, fmt.Sprint(tc.idle), ingress["nginx.ingress.kubernetes.io/proxy-send-timeout"])
			hpa := charttest.One[*autoscalingv2.HorizontalPodAutoscaler](t, objects)
			assert.EqualValues(t, tc.window, *hpa.Spec.Behavior.ScaleDown.StabilizationWindowSeconds)
			job := charttest.One[*batchv1.CronJob](t, objects).Spec.JobTemplate.Spec
			assert.EqualValues(t, tc.job, *job.ActiveDeadlineSeconds)
			assert.EqualValues(t, tc.grace, *job.Template.Spec.TerminationGracePeriodSeconds)
			assert.Equal(t, []corev1.EnvVar{
				{Name: "DRAIN_SECONDS", Value: fmt.Sprint(tc.maxRun + 10)}, {Name: "MAX_RUN_SECONDS", Value: fmt.Sprint(tc.maxRun)}, {Name: "PORT", Value: "8000"},
			}, pod.Containers[0].Env)
			assert.Equal(t, pod.Containers[0].Env, job.Template.Spec.Containers[0].Env)

			route := unstructuredOf(t, objects, "HTTPRoute")
			rules, _, err := unstructured.NestedSlice(route.Object, "spec", "rules")
			require.NoError(t, err)
			timeout := fmt.Sprintf("%ds", tc.request)
			assert.Equal(t, map[string]any{"request": timeout, "backendRequest": timeout}, rules[0].(map[string]any)["timeouts"])
		})
	}
}

// A hung agent finishes no run: its restart does not wait for the pod's long grace
// period.
func TestHungAgentIsRestartedSoon(t *testing.T) {
	t.Parallel()
	container := agentOf(t, nil)
	assert.EqualValues(t, 10, *container.LivenessProbe.TerminationGracePeriodSeconds)
	assert.EqualValues(t, 10, *container.StartupProbe.TerminationGracePeriodSeconds)
}
