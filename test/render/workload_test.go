package render

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"ai-agent/test/internal/chart"
)

// The seed's table of sizes, whole.
func TestSizesByAgentType(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string][4]string{
		"api":          {"250m", "1", "256Mi", "1Gi"},
		"embeddings":   {"500m", "2", "512Mi", "2Gi"},
		"local-model":  {"2", "4", "4Gi", "8Gi"},
		"orchestrator": {"1", "4", "1Gi", "4Gi"},
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			resources := agentOf(t, chart.Values{"agent.type": `"` + kind + `"`}).Resources
			assert.Equal(t, want, [4]string{
				resources.Requests.Cpu().String(), resources.Limits.Cpu().String(),
				resources.Requests.Memory().String(), resources.Limits.Memory().String(),
			})
		})
	}
}

func TestResourcesOverrideFieldByField(t *testing.T) {
	t.Parallel()
	resources := agentOf(t, chart.Values{"resources": `{"limits": {"memory": "3Gi", "nvidia.com/gpu": 1}}`}).Resources
	gpus := resources.Limits["nvidia.com/gpu"]
	assert.Equal(t, "1", gpus.String())
	assert.Equal(t, "3Gi", resources.Limits.Memory().String())
	assert.Equal(t, "2", resources.Limits.Cpu().String(), "the type's")
	assert.Equal(t, "512Mi", resources.Requests.Memory().String(), "the type's")
}

func agentOf(t *testing.T, values chart.Values) corev1.Container {
	t.Helper()
	return chart.One[*appsv1.Deployment](t, chart.Render(t, values)).Spec.Template.Spec.Containers[0]
}

func TestRolloutTakesNoPodBeforeAnotherIsReady(t *testing.T) {
	t.Parallel()
	strategy := chart.One[*appsv1.Deployment](t, chart.Render(t, nil)).Spec.Strategy
	none, one := intstr.FromInt32(0), intstr.FromInt32(1)
	assert.Equal(t, appsv1.DeploymentStrategy{
		Type:          appsv1.RollingUpdateDeploymentStrategyType,
		RollingUpdate: &appsv1.RollingUpdateDeployment{MaxUnavailable: &none, MaxSurge: &one},
	}, strategy)
}

func TestPodIsRestrictedAndWritesOnlyTmp(t *testing.T) {
	t.Parallel()
	pod := chart.One[*appsv1.Deployment](t, chart.Render(t, nil)).Spec.Template.Spec
	assert.True(t, *pod.SecurityContext.RunAsNonRoot)
	assert.EqualValues(t, 10001, *pod.SecurityContext.RunAsUser)
	assert.Equal(t, corev1.SeccompProfileTypeRuntimeDefault, pod.SecurityContext.SeccompProfile.Type)
	agent := pod.Containers[0]
	assert.False(t, *agent.SecurityContext.AllowPrivilegeEscalation)
	assert.True(t, *agent.SecurityContext.ReadOnlyRootFilesystem)
	assert.Equal(t, []corev1.Capability{"ALL"}, agent.SecurityContext.Capabilities.Drop)
	assert.Equal(t, []corev1.VolumeMount{{Name: "tmp", MountPath: "/tmp"}}, agent.VolumeMounts)
	assert.Equal(t, "256Mi", pod.Volumes[0].EmptyDir.SizeLimit.String())
	assert.False(t, *pod.EnableServiceLinks)
}

func TestSpread(t *testing.T) {
	t.Parallel()
	deployment := chart.One[*appsv1.Deployment](t, chart.Render(t, nil))
	pod := deployment.Spec.Template.Spec
	require.Len(t, pod.TopologySpreadConstraints, 2)
	for i, key := range []string{"kubernetes.io/hostname", "topology.kubernetes.io/zone"} {
		constraint := pod.TopologySpreadConstraints[i]
		assert.Equal(t, key, constraint.TopologyKey)
		assert.Equal(t, corev1.ScheduleAnyway, constraint.WhenUnsatisfiable)
		assert.Equal(t, []string{"pod-template-hash"}, constraint.MatchLabelKeys)
		assert.Equal(t, deployment.Spec.Selector, constraint.LabelSelector)
	}
	apart := pod.Affinity.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution
	require.Len(t, apart, 1)
	assert.Equal(t, deployment.Spec.Selector, apart[0].PodAffinityTerm.LabelSelector)
}

// A schedule's pods must be nobody's but their Job's.
func TestSchedulesAreSelectedByNoOther(t *testing.T) {
	t.Parallel()
	objects := chart.Render(t, chart.Values{"schedules.daily": `{"schedule": "0 8 * * *", "timeZone": "Europe/Berlin", "task": "Write the \"report\""}`})
	cron := chart.One[*batchv1.CronJob](t, objects)
	assert.Equal(t, "ai-agent-daily", cron.Name)
	assert.Equal(t, "Europe/Berlin", *cron.Spec.TimeZone)
	assert.Equal(t, batchv1.ForbidConcurrent, cron.Spec.ConcurrencyPolicy)
	pod := cron.Spec.JobTemplate.Spec.Template
	assert.Equal(t, []string{"run", "--task", `Write the "report"`}, pod.Spec.Containers[0].Args)
	assert.Equal(t, corev1.RestartPolicyNever, pod.Spec.RestartPolicy)
	assert.Nil(t, pod.Spec.Containers[0].LivenessProbe)

	theirs := labels.Set(pod.Labels)
	selects := func(selector *metav1.LabelSelector) bool {
		parsed, err := metav1.LabelSelectorAsSelector(selector)
		require.NoError(t, err)
		return parsed.Matches(theirs)
	}
	deployment := chart.One[*appsv1.Deployment](t, objects)
	assert.False(t, selects(deployment.Spec.Selector), "Deployment, and with it the HPA")
	assert.False(t, selects(chart.One[*policyv1.PodDisruptionBudget](t, objects).Spec.Selector), "PodDisruptionBudget")
	assert.False(t, selects(deployment.Spec.Template.Spec.TopologySpreadConstraints[0].LabelSelector), "spread")
	assert.False(t, labels.SelectorFromSet(chart.One[*corev1.Service](t, objects).Spec.Selector).Matches(theirs), "Service")
	assert.True(t, selects(&chart.One[*networkingv1.NetworkPolicy](t, objects).Spec.PodSelector), "the policy holds for them too")
}

func TestDisruptionBudgetIsTheSeeds(t *testing.T) {
	t.Parallel()
	objects := chart.Render(t, nil)
	budget := chart.One[*policyv1.PodDisruptionBudget](t, objects)
	assert.Equal(t, 1, budget.Spec.MinAvailable.IntValue())
	assert.Nil(t, budget.Spec.MaxUnavailable)
	assert.Equal(t, policyv1.AlwaysAllow, *budget.Spec.UnhealthyPodEvictionPolicy)
	assert.Equal(t, chart.One[*appsv1.Deployment](t, objects).Spec.Selector, budget.Spec.Selector)
}

// Where the configured URLs lead, as a policy can say it: pods and addresses.
func TestPolicyFollowsTheConfiguredURLs(t *testing.T) {
	t.Parallel()
	sameNamespace := networkingv1.NetworkPolicyPeer{PodSelector: &metav1.LabelSelector{}}
	namespace := func(name string) networkingv1.NetworkPolicyPeer {
		return networkingv1.NetworkPolicyPeer{NamespaceSelector: &metav1.LabelSelector{
			MatchLabels: map[string]string{"kubernetes.io/metadata.name": name},
		}}
	}
	anywhere := []networkingv1.NetworkPolicyPeer{
		{IPBlock: &networkingv1.IPBlock{CIDR: "0.0.0.0/0", Except: []string{"169.254.0.0/16"}}},
		{IPBlock: &networkingv1.IPBlock{CIDR: "::/0", Except: []string{"fe80::/10"}}},
	}
	for url, want := range map[string]struct {
		to   []networkingv1.NetworkPolicyPeer
		port int
	}{
		"redis://redis-service":                         {[]networkingv1.NetworkPolicyPeer{sameNamespace}, 6379},
		"redis://redis-service:7000/2":                  {[]networkingv1.NetworkPolicyPeer{sameNamespace}, 7000},
		"rediss://cache.data":                           {[]networkingv1.NetworkPolicyPeer{namespace("data")}, 6379},
		"redis://cache.data.svc.cluster.local:6380":     {[]networkingv1.NetworkPolicyPeer{namespace("data")}, 6380},
		"redis://10.1.2.3":                              {[]networkingv1.NetworkPolicyPeer{{IPBlock: &networkingv1.IPBlock{CIDR: "10.1.2.3/32"}}}, 6379},
		"redis://user@cache.eu-west-1.example.com:6379": {anywhere, 6379},
	} {
		t.Run(url, func(t *testing.T) {
			t.Parallel()
			policy := chart.One[*networkingv1.NetworkPolicy](t, chart.Render(t, chart.Values{"config.REDIS_URL": `"` + url + `"`}))
			rule := policy.Spec.Egress[1] // after DNS
			assert.Equal(t, want.to, rule.To)
			require.Len(t, rule.Ports, 1)
			assert.Equal(t, want.port, rule.Ports[0].Port.IntValue())
		})
	}
}

func TestPolicyKeepsPrivateAddressesAway(t *testing.T) {
	t.Parallel()
	policy := chart.One[*networkingv1.NetworkPolicy](t, chart.Render(t, nil))
	assert.Equal(t, []networkingv1.PolicyType{"Ingress", "Egress"}, policy.Spec.PolicyTypes)
	require.Len(t, policy.Spec.Egress, 5, "DNS, three servers, HTTPS")
	https := policy.Spec.Egress[4]
	assert.Equal(t, 443, https.Ports[0].Port.IntValue())
	assert.Subset(t, https.To[0].IPBlock.Except, []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"})
	for _, rule := range policy.Spec.Ingress {
		assert.NotEmpty(t, rule.From, "an empty list would let in everyone")
	}
	off := chart.Render(t, chart.Values{"networkPolicy.egress.https": "false"})
	assert.Len(t, chart.One[*networkingv1.NetworkPolicy](t, off).Spec.Egress, 4)
}

// Every environment and fixture, with every custom API that the chart knows.
func TestEnvironmentsAndFixturesRender(t *testing.T) {
	t.Parallel()
	for _, file := range valuesFiles(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			manifest, err := chart.Template(t, chart.Options{Files: []string{file}, APIVersions: chart.MonitoringAPIs})
			require.NoError(t, err)
			objects, err := chart.Decode(manifest)
			require.NoError(t, err)
			chart.One[*appsv1.Deployment](t, objects)
		})
	}
}

func valuesFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	for _, folder := range []string{"environments", "ci"} {
		found, err := filepath.Glob(filepath.Join(chart.Dir(), folder, "*.yaml"))
		require.NoError(t, err)
		require.NotEmpty(t, found, folder)
		files = append(files, found...)
	}
	return files
}

// The seed's hands-on exercise.
func TestExercise(t *testing.T) {
	t.Parallel()
	objects := chart.Render(t, nil, filepath.Join(chart.Dir(), "environments", "exercise.yaml"))
	hpa := chart.One[*autoscalingv2.HorizontalPodAutoscaler](t, objects)
	assert.EqualValues(t, 2, *hpa.Spec.MinReplicas)
	assert.EqualValues(t, 8, hpa.Spec.MaxReplicas)
	require.Len(t, hpa.Spec.Metrics, 1)
	assert.EqualValues(t, 70, *hpa.Spec.Metrics[0].Resource.Target.AverageUtilization)
	chart.One[*corev1.Service](t, objects)
	chart.One[*networkingv1.Ingress](t, objects)
}

// A monitor that no operator would read is not made: it would fail the install.
func TestMonitorsNeedTheirAPI(t *testing.T) {
	t.Parallel()
	asked := chart.Values{"serviceMonitor.enabled": "true", "prometheusRule.enabled": "true"}
	manifest, err := chart.Template(t, chart.Options{Set: asked})
	require.NoError(t, err)
	assert.NotContains(t, manifest, "monitoring.coreos.com")
	manifest, err = chart.Template(t, chart.Options{Set: asked, APIVersions: chart.MonitoringAPIs})
	require.NoError(t, err)
	assert.Equal(t, 2, strings.Count(manifest, "apiVersion: monitoring.coreos.com/v1"))
}

func TestRenderIsTheSameEachTime(t *testing.T) {
	t.Parallel()
	values := filepath.Join(chart.Dir(), "ci", "everything-values.yaml")
	first, err := chart.Template(t, chart.Options{Files: []string{values}})
	require.NoError(t, err)
	second, err := chart.Template(t, chart.Options{Files: []string{values}})
	require.NoError(t, err)
	assert.Equal(t, first, second)
}
