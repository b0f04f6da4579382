package render

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
)

func TestAutoscalerOwnsTheNumberOfPods(t *testing.T) {
	t.Parallel()
	assert.Nil(t, deploymentOf(t, nil).Spec.Replicas)
	assert.EqualValues(t, 3, *deploymentOf(t, fixedCount).Spec.Replicas, "the specification's")
	assert.Empty(t, chart.All[*autoscalingv2.HorizontalPodAutoscaler](charttest.Render(t, fixedCount)))
}

// Kubernetes 1.37 removes the last pod too.
func TestAutoscalerMayKeepNoPod(t *testing.T) {
	t.Parallel()
	objects := charttest.Render(t, queue("AverageValue").With("autoscaling.minReplicas", 0))
	hpa := charttest.One[*autoscalingv2.HorizontalPodAutoscaler](t, objects)
	assert.EqualValues(t, 0, *hpa.Spec.MinReplicas)
}

// The specification's exercise.
func TestExercise(t *testing.T) {
	t.Parallel()
	objects := charttest.Render(t, nil, filepath.Join(chart.Dir(), "environments", "exercise.yaml"))
	hpa := charttest.One[*autoscalingv2.HorizontalPodAutoscaler](t, objects)
	assert.EqualValues(t, 2, *hpa.Spec.MinReplicas)
	assert.EqualValues(t, 8, hpa.Spec.MaxReplicas)
	require.Len(t, hpa.Spec.Metrics, 1)
	assert.EqualValues(t, 70, *hpa.Spec.Metrics[0].Resource.Target.AverageUtilization)
	charttest.One[*corev1.Service](t, objects)
	charttest.One[*networkingv1.Ingress](t, objects)
}

func TestRolloutKeepsEachPodUntilItsReplacementIsReady(t *testing.T) {
	t.Parallel()
	none, one := intstr.FromInt32(0), intstr.FromInt32(1)
	assert.Equal(t, appsv1.DeploymentStrategy{
		Type:          appsv1.RollingUpdateDeploymentStrategyType,
		RollingUpdate: &appsv1.RollingUpdateDeployment{MaxUnavailable: &none, MaxSurge: &one},
	}, deploymentOf(t, nil).Spec.Strategy)
}

// Kubernetes refuses rollingUpdate in any other strategy.
func TestRecreateHasNoRollingUpdate(t *testing.T) {
	t.Parallel()
	assert.Nil(t, deploymentOf(t, chart.Values{"strategy": chart.Map{"type": "Recreate"}}).Spec.Strategy.RollingUpdate)
}

// A rollout that waits for a pod that ends, or for one that starts, has not failed.
func TestProgressDeadlineCoversTheWait(t *testing.T) {
	t.Parallel()
	long := chart.Values{"agent.maxRunSeconds": 3600}
	for name, tc := range map[string]struct {
		values chart.Values
		want   int
	}{
		"the defaults":                     {nil, 600},
		"a new pod comes first":            {long, 600},
		"Recreate":                         {long.And(recreate), 3630 + 65 + 300},
		"no surge":                         {long.With("strategy.rollingUpdate", chart.Map{"maxSurge": 0, "maxUnavailable": 1}), 3630 + 65 + 300},
		"no surge, a percentage":           {long.With("strategy.rollingUpdate", chart.Map{"maxSurge": "0%", "maxUnavailable": "50%"}), 3630 + 65 + 300},
		"Recreate, a longer grace period":  {recreate.With("terminationGracePeriodSeconds", 1000), 1000 + 65 + 300},
		"a slow start":                     {chart.Values{"startupProbe.failureThreshold": 900}, 900 + 300},
		"a slow start after a long wait":   {long.And(recreate).With("startupProbe.failureThreshold", 900), 3630 + 900 + 300},
		"Recreate, whatever was the surge": {long.With("strategy", chart.Map{"type": "Recreate", "rollingUpdate": nil}), 3630 + 65 + 300},
	} {
		assert.EqualValues(t, tc.want, *deploymentOf(t, tc.values).Spec.ProgressDeadlineSeconds, name)
	}
}

func TestDisruptionBudgetIsTheSpecifications(t *testing.T) {
	t.Parallel()
	objects := charttest.Render(t, nil)
	budget := charttest.One[*policyv1.PodDisruptionBudget](t, objects)
	assert.Equal(t, 1, budget.Spec.MinAvailable.IntValue())
	assert.Nil(t, budget.Spec.MaxUnavailable)
	assert.Equal(t, policyv1.AlwaysAllow, *budget.Spec.UnhealthyPodEvictionPolicy)
	assert.Equal(t, charttest.One[*appsv1.Deployment](t, objects).Spec.Selector, budget.Spec.Selector)
}

// Never two pods of a singleton: one, which a rollout replaces only when it has ended.
func TestSingleton(t *testing.T) {
	t.Parallel()
	objects := charttest.Render(t, chart.Values{"singleton": true, "replicaCount": 5})
	deployment := charttest.One[*appsv1.Deployment](t, objects)
	assert.EqualValues(t, 1, *deployment.Spec.Replicas)
	assert.Equal(t, appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType}, deployment.Spec.Strategy)
	assert.EqualValues(t, 330+65+300, *deployment.Spec.ProgressDeadlineSeconds, "the next pod starts when the last one has ended")
	assert.Empty(t, chart.All[*autoscalingv2.HorizontalPodAutoscaler](objects))
	assert.Empty(t, chart.All[*policyv1.PodDisruptionBudget](objects))
	assert.Contains(t, notesOf(t, chart.Values{"singleton": true}), "(singleton)")
}

// An agent without a port has no Service, and its policy admits nobody.
func TestAgentWithoutAPort(t *testing.T) {
	t.Parallel()
	values := noProbes.And(chart.Values{"service.enabled": false, "metricsPort": nil})
	objects := charttest.Render(t, values)
	assert.Empty(t, chart.All[*corev1.Service](objects))
	assert.Empty(t, charttest.One[*appsv1.Deployment](t, objects).Spec.Template.Spec.Containers[0].Ports)
	policy := charttest.One[*networkingv1.NetworkPolicy](t, objects).Spec
	assert.Empty(t, policy.Ingress)
	assert.Contains(t, policy.PolicyTypes, networkingv1.PolicyTypeIngress)
	assert.NotContains(t, notesOf(t, values), "Connect to it")
}
