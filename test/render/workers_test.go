package render

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
	"example.com/ai-agent/test/internal/finding"
)

// byName returns the objects of a type by their name.
func byName[T metav1.Object](all []T) map[string]T {
	found := map[string]T{}
	for _, object := range all {
		found[object.GetName()] = object
	}
	return found
}

// A worker shares the image, the environment, the volumes and the security of the server,
// but no command, no port, no probe and no autoscaler.
func TestWorkerSharesThePodOfTheServer(t *testing.T) {
	t.Parallel()
	objects := charttest.Render(t, worker("queue", nil).And(chart.Values{
		"command": chart.List{"/server"}, "env": chart.List{chart.Map{"name": "A", "value": "b"}}, "secret.existingSecret": "mine",
		"volumes": chart.List{chart.Map{"name": "data", "emptyDir": chart.Map{}}}, "extraContainers": chart.List{chart.Map{"name": "proxy", "image": "proxy:1"}},
	}))
	deployments := byName(chart.All[*appsv1.Deployment](objects))
	require.Len(t, deployments, 2)
	server, queue := deployments["ai-agent"].Spec.Template.Spec, deployments["ai-agent-queue"].Spec.Template.Spec
	agent := queue.Containers[0]
	assert.Len(t, queue.Containers, 1)
	assert.Empty(t, agent.Command)
	assert.Equal(t, []string{"work"}, agent.Args)
	assert.Empty(t, agent.Ports)
	assert.Nil(t, agent.LivenessProbe)
	assert.Equal(t, server.Containers[0].Image, agent.Image)
	assert.Equal(t, server.Containers[0].Env, agent.Env)
	assert.Equal(t, server.Containers[0].EnvFrom, agent.EnvFrom)
	assert.Equal(t, server.Containers[0].Resources, agent.Resources)
	assert.Equal(t, server.Containers[0].SecurityContext, agent.SecurityContext)
	assert.Equal(t, server.Containers[0].Lifecycle, agent.Lifecycle)
	assert.Equal(t, server.SecurityContext, queue.SecurityContext)
	assert.Equal(t, server.Volumes, queue.Volumes)
	assert.Equal(t, server.TerminationGracePeriodSeconds, queue.TerminationGracePeriodSeconds)
	assert.EqualValues(t, 1, *deployments["ai-agent-queue"].Spec.Replicas)
	assert.Len(t, chart.All[*autoscalingv2.HorizontalPodAutoscaler](objects), 1)
}

// A worker's fields are its own, and its env follows the server's.
func TestFieldsOfAWorker(t *testing.T) {
	t.Parallel()
	objects := charttest.Render(t, worker("queue", chart.Map{
		"command": chart.List{"celery"}, "env": chart.List{chart.Map{"name": "B", "value": "$(A)"}}, "replicaCount": 4, "runtimeClassName": "gvisor",
		"resources": chart.Map{"limits": chart.Map{"memory": "3Gi"}}, "podDisruptionBudget": chart.Map{"enabled": false},
	}).With("env", chart.List{chart.Map{"name": "A", "value": "b"}}))
	deployment := byName(chart.All[*appsv1.Deployment](objects))["ai-agent-queue"]
	pod := deployment.Spec.Template.Spec
	assert.EqualValues(t, 4, *deployment.Spec.Replicas)
	assert.Equal(t, []string{"celery"}, pod.Containers[0].Command)
	assert.Equal(t, []corev1.EnvVar{{Name: "A", Value: "b"}, {Name: "B", Value: "$(A)"}}, pod.Containers[0].Env[3:])
	assert.Equal(t, "gvisor", *pod.RuntimeClassName)
	assert.Equal(t, "3Gi", pod.Containers[0].Resources.Limits.Memory().String())
	assert.NotContains(t, byName(chart.All[*policyv1.PodDisruptionBudget](objects)), "ai-agent-queue")
}

// Nothing of the server selects a pod of a worker, and nothing of a worker one of the
// server's or of another worker. The NetworkPolicy applies to all.
func TestWorkersAreSelectedByTheirOwn(t *testing.T) {
	t.Parallel()
	scaled := chart.Map{"enabled": true, "maxReplicas": 3}
	objects := charttest.Render(t, chart.Values{"workers": chart.Map{"a": chart.Map{"autoscaling": scaled}, "b": chart.Map{}}})
	deployments := byName(chart.All[*appsv1.Deployment](objects))
	selectors := map[string]map[string]string{}
	for name, deployment := range deployments {
		selectors["Deployment/"+name] = deployment.Spec.Selector.MatchLabels
		require.Len(t, deployment.Spec.Template.Spec.Affinity.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution, 1)
		selectors["affinity of/"+name] = deployment.Spec.Template.Spec.Affinity.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution[0].PodAffinityTerm.LabelSelector.MatchLabels
	}
	for name, budget := range byName(chart.All[*policyv1.PodDisruptionBudget](objects)) {
		selectors["PodDisruptionBudget/"+name] = budget.Spec.Selector.MatchLabels
	}
	require.Len(t, selectors, 9)
	for of, selector := range selectors {
		for name, deployment := range deployments {
			_, own, _ := strings.Cut(of, "/")
			assert.Equal(t, own == name, labels.SelectorFromSet(selector).Matches(labels.Set(deployment.Spec.Template.Labels)), "%s and the pods of %s", of, name)
		}
	}
	service := labels.SelectorFromSet(charttest.One[*corev1.Service](t, objects).Spec.Selector)
	assert.True(t, service.Matches(labels.Set(deployments["ai-agent"].Spec.Template.Labels)))
	assert.False(t, service.Matches(labels.Set(deployments["ai-agent-a"].Spec.Template.Labels)))
	assert.Equal(t, "ai-agent-a", byName(chart.All[*autoscalingv2.HorizontalPodAutoscaler](objects))["ai-agent-a-hpa"].Spec.ScaleTargetRef.Name)
}

// A null in a worker removes what the server has; elsewhere, Helm itself removes it.
func TestHandlerOfAWorkerMayBeNull(t *testing.T) {
	t.Parallel()
	_, err := charttest.Template(t, chart.Options{Set: worker("queue", chart.Map{"lifecycle": chart.Map{"preStop": chart.Map{"exec": nil}}})})
	require.NoError(t, err)
}

// A rule about a Deployment reports a worker too, at its own path.
func TestRulesReportWorkers(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fields chart.Map
		want   string
	}{
		"a server that interrupts runs": {chart.Map{"command": chart.List{"hypercorn", "a:b"}}, "server-drain-unset workers.queue.command"},
		"an eager liveness probe":       {chart.Map{"livenessProbe": chart.Map{"exec": chart.Map{"command": chart.List{"a"}}, "failureThreshold": 1, "timeoutSeconds": 5}}, "liveness-too-eager workers.queue.livenessProbe.failureThreshold"},
		"a range that is none":          {chart.Map{"autoscaling": chart.Map{"enabled": true, "minReplicas": 5, "maxReplicas": 2}}, "replica-range workers.queue.autoscaling"},
		"a budget of its own":           {chart.Map{"env": chart.List{chart.Map{"name": "MAX_RUN_SECONDS", "value": "9"}}}, "run-budget-override workers.queue.env[0]"},
		"a long preStop hook":           {chart.Map{"lifecycle": chart.Map{"preStop": chart.Map{"sleep": chart.Map{"seconds": 300}}}}, "prestop-too-long workers.queue.lifecycle.preStop"},
		"nothing to connect to":         {chart.Map{"drain": chart.Map{"until": "connections"}}, "drain-incomplete workers.queue.drain.until"},
		"a budget that blocks drains":   {chart.Map{"podDisruptionBudget": chart.Map{"maxUnavailable": 0}}, "disruption-budget-blocks-drains workers.queue.podDisruptionBudget.maxUnavailable"},
	} {
		var found []string
		for _, f := range charttest.Findings(t, chart.Options{Set: worker("queue", tc.fields)}) {
			if f.Severity == finding.Error {
				found = append(found, f.ID+" "+f.Path.String())
			}
		}
		require.Len(t, found, 1, name)
		assert.Contains(t, found[0], tc.want, name)
	}
}

// A singleton among the workers is replaced, not doubled.
func TestSingletonWorker(t *testing.T) {
	t.Parallel()
	objects := charttest.Render(t, worker("beat", chart.Map{"singleton": true}))
	beat := byName(chart.All[*appsv1.Deployment](objects))["ai-agent-beat"]
	assert.EqualValues(t, 1, *beat.Spec.Replicas)
	assert.Equal(t, appsv1.RecreateDeploymentStrategyType, beat.Spec.Strategy.Type)
	assert.NotContains(t, byName(chart.All[*policyv1.PodDisruptionBudget](objects)), "ai-agent-beat")
}

// What YAML reads as a number or a boolean remains the name of a worker.
func TestWorkerNamesAreText(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"123", "no", "null", "1e3"} {
		for _, deployment := range chart.All[*appsv1.Deployment](charttest.Render(t, worker(name, nil))) {
			labels := deployment.Spec.Template.Labels
			assert.Equal(t, labels["app.kubernetes.io/component"], deployment.Spec.Selector.MatchLabels["app.kubernetes.io/component"])
			spread := deployment.Spec.Template.Spec.TopologySpreadConstraints[0].LabelSelector.MatchLabels
			assert.Equal(t, labels["app.kubernetes.io/component"], spread["app.kubernetes.io/component"])
		}
	}
}

// A variable of a worker replaces the server's: server-side apply refuses two of a name.
// The hooks of the server are not a worker's.
func TestWorkerOverridesTheServer(t *testing.T) {
	t.Parallel()
	objects := charttest.Render(t, worker("queue", chart.Map{
		"env":                 chart.List{chart.Map{"name": "A", "value": "2"}},
		"podDisruptionBudget": chart.Map{"minAvailable": 3}, "replicaCount": 5,
	}).And(chart.Values{
		"env":       chart.List{chart.Map{"name": "A", "value": "1"}, chart.Map{"name": "B", "value": "1"}},
		"lifecycle": chart.Map{"preStop": chart.Map{"exec": chart.Map{"command": chart.List{"sleep", "10"}}}},
	}))
	agent := byName(chart.All[*appsv1.Deployment](objects))["ai-agent-queue"].Spec.Template.Spec.Containers[0]
	assert.Equal(t, []corev1.EnvVar{{Name: "B", Value: "1"}, {Name: "A", Value: "2"}}, agent.Env[3:])
	assert.EqualValues(t, 10, agent.Lifecycle.PreStop.Sleep.Seconds)
	budget := byName(chart.All[*policyv1.PodDisruptionBudget](objects))["ai-agent-queue"].Spec
	assert.Equal(t, "3", budget.MinAvailable.String())
	assert.Nil(t, budget.MaxUnavailable)
}

// The NetworkPolicy applies to workers: it admits scrapes of their metrics, and lets them
// reach the servers that their env names.
func TestPolicyAllowsWhatWorkersNeed(t *testing.T) {
	t.Parallel()
	objects := charttest.Render(t, worker("queue", chart.Map{
		"metricsPort": 9999, "env": chart.List{chart.Map{"name": "REDIS_URL", "value": "redis://broker:6390"}},
	}))
	policy := charttest.One[*networkingv1.NetworkPolicy](t, objects).Spec
	var in, out []string
	for _, rule := range policy.Ingress {
		for _, port := range rule.Ports {
			in = append(in, port.Port.String())
		}
	}
	for _, rule := range policy.Egress {
		for _, port := range rule.Ports {
			out = append(out, port.Port.String())
		}
	}
	assert.Equal(t, []string{"8000", "9090", "9999"}, in)
	assert.Contains(t, out, "6390")
	assert.Contains(t, out, "6379", "the server's")
}

// An autoscaler of the user's for a worker is found.
func TestOwnAutoscalerOfAWorker(t *testing.T) {
	t.Parallel()
	keda := chart.Values{"extraObjects": chart.List{chart.Map{
		"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": chart.Map{"name": "a"},
		"spec": chart.Map{"scaleTargetRef": chart.Map{"name": "ai-agent-queue"}},
	}}}
	for want, fields := range map[string]chart.Map{
		"autoscaler-twice workers.queue.autoscaling.enabled":       {"autoscaling": chart.Map{"enabled": true}},
		"replica-count-with-autoscaler workers.queue.replicaCount": {"replicaCount": 2},
	} {
		var found []string
		for _, f := range charttest.Findings(t, chart.Options{Set: keda.And(worker("queue", fields))}) {
			found = append(found, f.ID+" "+f.Path.String())
		}
		assert.Contains(t, found, want)
	}
}

// An upgrade waits for the slowest of all Deployments, which NOTES tell, as they do of each
// singleton.
func TestNotesTellOfWorkers(t *testing.T) {
	t.Parallel()
	assert.Contains(t, notesOf(t, nil), "--timeout 19m")
	notes := notesOf(t, worker("queue", chart.Map{"replicaCount": 40}).And(chart.Values{"singleton": true}))
	assert.Contains(t, notes, "the only pod of ai-agent to finish")
	assert.NotContains(t, notes, "--timeout 19m")
}
