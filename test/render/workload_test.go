package render

import (
	"os"
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

	"example.com/ai-agent/test/internal/chart"
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
	peer := func(block string, except ...string) networkingv1.NetworkPolicyPeer {
		return networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{CIDR: block, Except: except}}
	}
	here := "here"
	anywhere := []networkingv1.NetworkPolicyPeer{peer("0.0.0.0/0", "169.254.0.0/16"), peer("::/0", "fd00:ec2::254/128", "fe80::/10")}
	for url, want := range map[string][]string{ // each server's namespace, address or "anywhere", and its port
		"redis://redis-service":                        {here, "6379"},
		"redis://redis-service:7000/2":                 {here, "7000"},
		"rediss://cache.data":                          {"data", "6379"},
		"redis://cache.data.svc.cluster.local:6380":    {"data", "6380"},
		"rediss://user@Redis.Data:6380":                {"data", "6380"},
		"redis://10.1.2.3":                             {"10.1.2.3/32", "6379"},
		"redis://[fd00::1]:6380":                       {"fd00::1/128", "6380"},
		"redis://r1.data:26379,r2.other:26379/0":       {"data", "26379", "other", "26379"},
		"postgresql+asyncpg://db.data/agents":          {"data", "5432"},
		"redis://user@cache.eu-west-1.example.com:638": {"anywhere", "638"},
		"redis://redis-0.redis.data.svc.cluster.local": {"data", "6379"},
		"unix:///var/run/redis.sock":                   {},
		"":                                             {},
	} {
		t.Run(url, func(t *testing.T) {
			t.Parallel()
			policy := chart.One[*networkingv1.NetworkPolicy](t, chart.Render(t, chart.Values{
				"config.REDIS_URL": `"` + url + `"`, "config.DATABASE_URL": `""`, "config.OPENAI_BASE_URL": `""`,
			}))
			rules := policy.Spec.Egress[1 : len(policy.Spec.Egress)-1] // between DNS and HTTPS
			require.Len(t, rules, len(want)/2)
			for i, rule := range rules {
				var to []networkingv1.NetworkPolicyPeer
				switch where := want[2*i]; {
				case where == here:
					to = []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{}}}
				case where == "anywhere":
					to = anywhere
				case strings.Contains(where, "/"):
					to = []networkingv1.NetworkPolicyPeer{peer(where)}
				default:
					to = []networkingv1.NetworkPolicyPeer{{NamespaceSelector: &metav1.LabelSelector{
						MatchLabels: map[string]string{"kubernetes.io/metadata.name": where},
					}}}
				}
				assert.Equal(t, to, rule.To)
				require.Len(t, rule.Ports, 1)
				assert.Equal(t, want[2*i+1], rule.Ports[0].Port.String())
			}
		})
	}
}

// Policies add up: no rule for the web may reach a private address, whatever the
// model's address is.
func TestPolicyKeepsPrivateAddressesAway(t *testing.T) {
	t.Parallel()
	for name, values := range map[string]chart.Values{
		"the sample's model":      nil,
		"a public model":          {"config.OPENAI_BASE_URL": `"https://model.eu.example.com/v1"`},
		"a public model, no rest": {"config.OPENAI_BASE_URL": `"https://model.eu.example.com/v1"`, "networkPolicy.egress.https": "false"},
		"a model on a port":       {"config.OPENAI_BASE_URL": `"https://model.eu.example.com:8443/v1"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			policy := chart.One[*networkingv1.NetworkPolicy](t, chart.Render(t, values))
			assert.Equal(t, []networkingv1.PolicyType{"Ingress", "Egress"}, policy.Spec.PolicyTypes)
			wide := 0
			for _, rule := range policy.Spec.Egress {
				for _, to := range rule.To {
					if to.IPBlock == nil || !strings.HasSuffix(to.IPBlock.CIDR, "/0") {
						continue
					}
					wide++
					if to.IPBlock.CIDR == "::/0" {
						assert.Subset(t, to.IPBlock.Except, []string{"fc00::/7", "fe80::/10"})
						continue
					}
					assert.Subset(t, to.IPBlock.Except, []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"})
				}
			}
			assert.Positive(t, wide, "the public internet is open at all")
			for _, rule := range policy.Spec.Ingress {
				assert.NotEmpty(t, rule.From, "an empty list would let in everyone")
			}
		})
	}
	closed := chart.Render(t, chart.Values{"networkPolicy.egress.https": "false"})
	assert.Len(t, chart.One[*networkingv1.NetworkPolicy](t, closed).Spec.Egress, 4, "DNS and three servers")
}

// What the chart itself goes by is no user's to change, where it would break it.
func TestTheChartsOwnLabelsWin(t *testing.T) {
	t.Parallel()
	mine := `{"app": "x", "app.kubernetes.io/component": "x", "version": "x", "team": "a"}`
	objects := chart.Render(t, chart.Values{
		"commonLabels": mine, "podLabels": mine, "podAnnotations": `{"checksum/config": "x", "note": "a"}`,
	})
	deployment := chart.One[*appsv1.Deployment](t, objects)
	template := deployment.Spec.Template
	assert.Subset(t, template.Labels, map[string]string{"app": "ai-agent", "app.kubernetes.io/component": "server", "version": "v1", "team": "a"})
	assert.Subset(t, deployment.Labels, map[string]string{"app": "ai-agent", "version": "v1", "team": "a"})
	assert.Equal(t, "a", template.Annotations["note"])
	assert.Len(t, template.Annotations["checksum/config"], 64)
}

// A user's own choice takes the place of the default it excludes.
func TestOwnChoicesTakeThePlaceOfDefaults(t *testing.T) {
	t.Parallel()
	deployment := chart.One[*appsv1.Deployment](t, chart.Render(t, chart.Values{
		"livenessProbe": `{"exec": {"command": ["/alive"]}}`,
		"strategy":      `{"type": "Recreate"}`,
		"volumes":       `[{"name": "tmp", "emptyDir": {"medium": "Memory"}}]`,
	}))
	pod := deployment.Spec.Template.Spec
	assert.Nil(t, pod.Containers[0].LivenessProbe.HTTPGet)
	assert.NotNil(t, pod.Containers[0].LivenessProbe.Exec)
	assert.Nil(t, deployment.Spec.Strategy.RollingUpdate)
	require.Len(t, pod.Volumes, 1)
	assert.Equal(t, corev1.StorageMediumMemory, pod.Volumes[0].EmptyDir.Medium)
	noLimit := agentOf(t, chart.Values{"resources.limits.cpu": "null"}).Resources.Limits
	assert.NotContains(t, noLimit, corev1.ResourceCPU)
	assert.Equal(t, "2Gi", noLimit.Memory().String())
}

// Numbers of a values file are floats: a million must not read 1e+06.
func TestConfigIsText(t *testing.T) {
	t.Parallel()
	data := chart.One[*corev1.ConfigMap](t, chart.Render(t, chart.Values{
		"config": `{"MAX_TOKENS": 1000000, "TEMPERATURE": 0.7, "ENABLE_TRACING": false, "GREETING": "\"a\": {{ b }}\n- c", "SMALL": 1e-7}`,
	})).Data
	assert.Subset(t, data, map[string]string{
		"MAX_TOKENS": "1000000", "TEMPERATURE": "0.7", "ENABLE_TRACING": "false", "GREETING": "\"a\": {{ b }}\n- c", "SMALL": "1e-07",
	})
}

// A new budget reaches running agents, also where it changes nothing else of them.
func TestPodsRollWithTheBudget(t *testing.T) {
	t.Parallel()
	template := func(seconds string) corev1.PodTemplateSpec {
		return chart.One[*appsv1.Deployment](t, chart.Render(t, chart.Values{
			"terminationGracePeriodSeconds": "900", "agent.maxRunSeconds": seconds,
		})).Spec.Template
	}
	assert.NotEqual(t, template("300"), template("600"))
}

// A route's timeouts are ones that the Gateway API takes.
func TestRouteTimeouts(t *testing.T) {
	t.Parallel()
	for given, want := range map[string][2]string{
		`{}`:                         {"330s", "330s"},
		`{"request": "310s"}`:        {"310s", "310s"},
		`{"backendRequest": "400s"}`: {"400s", "400s"},
		`{"request": "10m", "backendRequest": "310s"}`: {"10m", "310s"},
		`{"request": "0s"}`:                            {"0s", "0s"},
	} {
		objects := chart.Render(t, aGateway.With("httpRoute.timeouts", given))
		assert.Equal(t, want[0], field(t, objects, "HTTPRoute/ai-agent", ".spec.rules[0].timeouts.request"), given)
		assert.Equal(t, want[1], field(t, objects, "HTTPRoute/ai-agent", ".spec.rules[0].timeouts.backendRequest"), given)
	}
}

// proxy.corp may be a namespace's proxy or a company's.
func TestPolicyOfATwoPartName(t *testing.T) {
	t.Parallel()
	policy := chart.One[*networkingv1.NetworkPolicy](t, chart.Render(t, chart.Values{"config.OPENAI_BASE_URL": `"http://proxy.corp:4000"`}))
	to := policy.Spec.Egress[3].To
	require.Len(t, to, 3)
	assert.Equal(t, map[string]string{"kubernetes.io/metadata.name": "corp"}, to[0].NamespaceSelector.MatchLabels)
	assert.Equal(t, "0.0.0.0/0", to[1].IPBlock.CIDR)
}

// A mount of the user's at /tmp takes the place of the chart's.
func TestOwnTmp(t *testing.T) {
	t.Parallel()
	mounts := agentOf(t, chart.Values{
		"volumes": `[{"name": "scratch", "emptyDir": {}}]`, "volumeMounts": `[{"name": "scratch", "mountPath": "/tmp/"}]`,
	}).VolumeMounts
	assert.Equal(t, []corev1.VolumeMount{{Name: "scratch", MountPath: "/tmp/"}}, mounts)
}

// A schedule's pod must be on a node that the user's affinity allows, but is not
// kept from the agents'.
func TestSchedulesKeepTheNodeAffinity(t *testing.T) {
	t.Parallel()
	required := `{"nodeSelectorTerms": [{"matchExpressions": [{"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"]}]}]}`
	objects := chart.Render(t, chart.Values{
		"schedules.a": `{"schedule": "@daily", "task": "a"}`,
		"affinity":    `{"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": ` + required + `}, "podAntiAffinity": {}}`,
	})
	affinity := chart.One[*batchv1.CronJob](t, objects).Spec.JobTemplate.Spec.Template.Spec.Affinity
	assert.NotNil(t, affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution)
	assert.Nil(t, affinity.PodAntiAffinity)
}

// A release's name may look like a number.
func TestNamesAreText(t *testing.T) {
	t.Parallel()
	manifest, err := chart.Template(t, chart.Options{Set: everything.With("fullnameOverride", `"on"`), APIVersions: chart.MonitoringAPIs})
	require.NoError(t, err)
	objects, err := chart.Decode(manifest)
	require.NoError(t, err)
	assert.Equal(t, "on", field(t, objects, "PrometheusRule/on", ".spec.groups[0].name"))
	assert.Contains(t, field(t, objects, "PrometheusRule/on", ".spec.groups[0].rules[*].expr"), `pod=~"on-[a-z0-9]+-?[a-z0-9]+"`)
}

// What a later file takes back with a null is gone, and what the chart derives is not.
func TestNullTakesBack(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "first.yaml")
	require.NoError(t, os.WriteFile(file, []byte("commonAnnotations: {a: b, c: d}\nconfig: {MINE: a}\nnodeSelector: {a: b, c: d}\nschedules: {a: {schedule: '@daily', task: a}}"), 0o600))
	objects := chart.Render(t, chart.Values{"commonAnnotations.a": "null", "config.MINE": "null", "nodeSelector.a": "null", "schedules.a": "null"}, file)
	config := chart.One[*corev1.ConfigMap](t, objects)
	assert.Equal(t, map[string]string{"c": "d"}, config.Annotations)
	assert.NotContains(t, config.Data, "MINE")
	assert.Equal(t, map[string]string{"c": "d"}, chart.One[*appsv1.Deployment](t, objects).Spec.Template.Spec.NodeSelector)
	assert.Empty(t, chart.All[*batchv1.CronJob](objects))
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
