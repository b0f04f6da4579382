package render

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
)

// onSSDs is an affinity for certain nodes.
var onSSDs = chart.Map{"requiredDuringSchedulingIgnoredDuringExecution": chart.Map{"nodeSelectorTerms": chart.List{
	chart.Map{"matchExpressions": chart.List{chart.Map{"key": "disk", "operator": "In", "values": chart.List{"ssd"}}}},
}}}

// Pods prefer different nodes, unless the values say otherwise.
func TestPodsPreferDifferentNodes(t *testing.T) {
	t.Parallel()
	own := chart.Map{"preferredDuringSchedulingIgnoredDuringExecution": chart.List{chart.Map{
		"weight": 7, "podAffinityTerm": chart.Map{"topologyKey": "rack", "labelSelector": chart.Map{}},
	}}}
	for name, tc := range map[string]struct {
		values       chart.Values
		antiAffinity string // the topology key of the only term; empty: none
		nodeAffinity bool
	}{
		"the default":                         {nil, "kubernetes.io/hostname", false},
		"null":                                {chart.Values{"affinity": nil}, "kubernetes.io/hostname", false},
		"empty":                               {chart.Values{"affinity": chart.Map{}}, "", false},
		"a nodeAffinity":                      {chart.Values{"affinity": chart.Map{"nodeAffinity": onSSDs}}, "kubernetes.io/hostname", true},
		"a podAffinity":                       {chart.Values{"affinity": chart.Map{"podAffinity": chart.Map{}}}, "kubernetes.io/hostname", false},
		"its own podAntiAffinity":             {chart.Values{"affinity": chart.Map{"podAntiAffinity": own}}, "rack", false},
		"an empty podAntiAffinity":            {chart.Values{"affinity": chart.Map{"podAntiAffinity": chart.Map{}}}, "", false},
		"a nodeAffinity and no antiAffinity":  {chart.Values{"affinity": chart.Map{"nodeAffinity": onSSDs, "podAntiAffinity": chart.Map{}}}, "", true},
		"a nodeAffinity and its antiAffinity": {chart.Values{"affinity": chart.Map{"nodeAffinity": onSSDs, "podAntiAffinity": own}}, "rack", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			affinity := podSpecOf(t, tc.values).Affinity
			if affinity == nil {
				affinity = &corev1.Affinity{}
			}
			var keys []string
			if affinity.PodAntiAffinity != nil {
				for _, term := range affinity.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution {
					keys = append(keys, term.PodAffinityTerm.TopologyKey)
				}
				assert.Empty(t, affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution, "no pod is Pending for lack of a node")
			}
			want := []string(nil)
			if tc.antiAffinity != "" {
				want = []string{tc.antiAffinity}
			}
			assert.Equal(t, want, keys)
			assert.Equal(t, tc.nodeAffinity, affinity.NodeAffinity != nil)
		})
	}
	assert.Nil(t, podSpecOf(t, chart.Values{"affinity": chart.Map{}}).Affinity)
}

// The default constraints apply to the pods of one ReplicaSet: a rollout spreads
// the new pods, not old and new pods together.
func TestPodsAreSpread(t *testing.T) {
	t.Parallel()
	deployment := deploymentOf(t, nil)
	constraints := deployment.Spec.Template.Spec.TopologySpreadConstraints
	require.Len(t, constraints, 2)
	for i, key := range []string{"kubernetes.io/hostname", "topology.kubernetes.io/zone"} {
		assert.Equal(t, key, constraints[i].TopologyKey)
		assert.Equal(t, corev1.ScheduleAnyway, constraints[i].WhenUnsatisfiable)
		assert.Equal(t, corev1.NodeInclusionPolicyHonor, *constraints[i].NodeTaintsPolicy, "a tainted node does not count")
		assert.Equal(t, []string{"pod-template-hash"}, constraints[i].MatchLabelKeys)
		assert.Equal(t, deployment.Spec.Selector, constraints[i].LabelSelector)
	}
	apart := deployment.Spec.Template.Spec.Affinity.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution
	require.Len(t, apart, 1)
	assert.Equal(t, deployment.Spec.Selector, apart[0].PodAffinityTerm.LabelSelector)
}

func TestSpreadCanBeReplacedOrDisabled(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		given any
		want  int
	}{
		"null":    {nil, 2},
		"empty":   {chart.List{}, 0},
		"its own": {chart.List{chart.Map{"maxSkew": 2, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule"}}, 1},
	} {
		assert.Len(t, podSpecOf(t, chart.Values{"topologySpreadConstraints": tc.given}).TopologySpreadConstraints, tc.want, name)
	}
}

// placed has every value that decides on which nodes pods run.
var placed = chart.Values{
	"nodeSelector":      chart.Map{"disk": "ssd"},
	"tolerations":       chart.List{chart.Map{"key": "agents", "operator": "Exists"}},
	"priorityClassName": "high",
	"runtimeClassName":  "nvidia",
	"affinity":          chart.Map{"nodeAffinity": onSSDs},
}

// Every pod of the release runs where the agent may run; only serving pods are
// kept apart.
func TestEveryPodRunsWhereTheAgentMayRun(t *testing.T) {
	t.Parallel()
	objects := charttest.Render(t, placed.And(aSchedule))
	pods := map[string]corev1.PodSpec{"schedule": charttest.One[*batchv1.CronJob](t, objects).Spec.JobTemplate.Spec.Template.Spec}
	for _, test := range chart.All[*corev1.Pod](objects) {
		pods[test.Name] = test.Spec
	}
	require.Len(t, pods, 4, "a schedule and three tests")
	serving := podSpecOf(t, placed)
	pods["server"] = serving
	for name, pod := range pods {
		assert.Equal(t, map[string]string{"disk": "ssd"}, pod.NodeSelector, name)
		assert.Equal(t, []corev1.Toleration{{Key: "agents", Operator: corev1.TolerationOpExists}}, pod.Tolerations, name)
		assert.Equal(t, "high", pod.PriorityClassName, name)
		assert.Equal(t, "nvidia", *pod.RuntimeClassName, name)
		require.NotNil(t, pod.Affinity, name)
		assert.Equal(t, serving.Affinity.NodeAffinity, pod.Affinity.NodeAffinity, name)
		assert.Equal(t, name == "server", pod.Affinity.PodAntiAffinity != nil, name)
		assert.Equal(t, name == "server", len(pod.TopologySpreadConstraints) > 0, name)
	}
}

// A test is admitted, scheduled and pulled wherever the agent is, but takes no device
// and no name of its own.
func TestTestPodsFollowTheAgent(t *testing.T) {
	t.Parallel()
	gpu := corev1.Toleration{Key: "nvidia.com/gpu", Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule}
	objects := charttest.Render(t, placed.And(chart.Values{
		"resources.limits": chart.Map{"nvidia.com/gpu": 1}, "imagePullSecrets": chart.List{chart.Map{"name": "registry"}},
		"podSpec": chart.Map{
			"hostUsers": false, "schedulerName": "batch", "dnsPolicy": "Default", "hostname": "agent",
			"resourceClaims": chart.List{chart.Map{"name": "gpu", "resourceClaimName": "gpu"}},
		},
	}))
	tests := chart.All[*corev1.Pod](objects)
	require.NotEmpty(t, tests)
	for _, pod := range tests {
		assert.Equal(t, []corev1.Toleration{{Key: "agents", Operator: corev1.TolerationOpExists}, gpu}, pod.Spec.Tolerations, "Kubernetes adds it to the agent's pods")
		assert.Equal(t, "ai-agent", pod.Spec.ServiceAccountName, "its credentials for a registry")
		assert.Equal(t, "registry", pod.Spec.ImagePullSecrets[0].Name)
		require.NotNil(t, pod.Spec.HostUsers)
		assert.False(t, *pod.Spec.HostUsers)
		assert.Equal(t, "batch", pod.Spec.SchedulerName)
		assert.Equal(t, corev1.DNSDefault, pod.Spec.DNSPolicy)
		assert.Empty(t, pod.Spec.Hostname)
		assert.Empty(t, pod.Spec.ResourceClaims)
		assert.NotContains(t, pod.Spec.Containers[0].Resources.Limits, corev1.ResourceName("nvidia.com/gpu"))
	}
}

// Without such values, only serving pods have an affinity.
func TestOnlyServingPodsAreSpreadByDefault(t *testing.T) {
	t.Parallel()
	objects := charttest.Render(t, aSchedule)
	assert.Nil(t, charttest.One[*batchv1.CronJob](t, objects).Spec.JobTemplate.Spec.Template.Spec.Affinity)
	for _, test := range chart.All[*corev1.Pod](objects) {
		assert.Nil(t, test.Spec.Affinity, test.Name)
		assert.Empty(t, test.Spec.NodeSelector, test.Name)
		assert.Empty(t, test.Spec.Tolerations, test.Name)
		assert.Empty(t, test.Spec.PriorityClassName, test.Name)
		assert.Nil(t, test.Spec.RuntimeClassName, test.Name)
	}
}
