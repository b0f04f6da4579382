package render

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"ai-agent/test/internal/chart"
)

// seedHost is the host of the seed's Ingress.
var seedHost = chart.Values{"ingress.hosts": `[{"host": "agent.example.com"}]`}

func TestDeploymentIsTheSeeds(t *testing.T) {
	t.Parallel()
	deployment := chart.One[*appsv1.Deployment](t, chart.Render(t, nil))
	assert.Equal(t, "ai-agent", deployment.Name)
	pod := deployment.Spec.Template
	for key, value := range map[string]string{"app": "ai-agent", "version": "v1"} {
		assert.Equal(t, value, deployment.Labels[key], key)
		assert.Equal(t, value, pod.Labels[key], key)
	}
	assert.Equal(t, corev1.RestartPolicyAlways, pod.Spec.RestartPolicy)
	require.Len(t, pod.Spec.Containers, 1)
	agent := pod.Spec.Containers[0]
	assert.Equal(t, "agent", agent.Name)
	assert.Equal(t, []corev1.ContainerPort{{Name: "http", ContainerPort: 8000, Protocol: corev1.ProtocolTCP}}, agent.Ports)
	assert.Equal(t, corev1.ResourceRequirements{
		Requests: corev1.ResourceList{"cpu": resource.MustParse("500m"), "memory": resource.MustParse("512Mi")},
		Limits:   corev1.ResourceList{"cpu": resource.MustParse("2000m"), "memory": resource.MustParse("2Gi")},
	}, agent.Resources)
	short := int64(10)
	get := func(path string) corev1.ProbeHandler {
		return corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromString("http")}}
	}
	assert.Equal(t, &corev1.Probe{
		ProbeHandler: get("/health"), InitialDelaySeconds: 10, PeriodSeconds: 30, TimeoutSeconds: 5, FailureThreshold: 3,
		TerminationGracePeriodSeconds: &short, // beyond the seed: a hung agent must not wait the pod's long grace
	}, agent.LivenessProbe)
	assert.Equal(t, &corev1.Probe{
		// Without the seed's initialDelaySeconds: the startup probe holds this one back.
		ProbeHandler: get("/ready"), PeriodSeconds: 10, TimeoutSeconds: 5, FailureThreshold: 3,
	}, agent.ReadinessProbe)
	assert.Equal(t, &corev1.Probe{
		// The seed's 5 + 5 x 12 = 65 s, looked at every second: an agent that starts at once is Ready at once.
		ProbeHandler: get("/health"), PeriodSeconds: 1, TimeoutSeconds: 1, FailureThreshold: 65,
		TerminationGracePeriodSeconds: &short,
	}, agent.StartupProbe)
}

func TestEnvironmentComesFromConfigMapAndSecret(t *testing.T) {
	t.Parallel()
	objects := chart.Render(t, chart.Values{"secret.stringData.OPENAI_API_KEY": `"sk-test"`})
	config, secret := chart.One[*corev1.ConfigMap](t, objects), chart.One[*corev1.Secret](t, objects)
	agent := chart.One[*appsv1.Deployment](t, objects).Spec.Template.Spec.Containers[0]
	assert.Empty(t, agent.Env)
	assert.Equal(t, []corev1.EnvFromSource{
		{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: config.Name}}},
		{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: secret.Name}}},
	}, agent.EnvFrom)
	assert.Equal(t, map[string]string{
		"MODEL_NAME": "gpt-4o-mini", "TEMPERATURE": "0.7", "MAX_TOKENS": "4096", "ENABLE_STREAMING": "true",
		"ENABLE_TRACING": "true", "REDIS_URL": "redis://redis-service:6379", "LOG_LEVEL": "INFO",
		"DATABASE_URL": "postgresql://postgres:5432/agents",
		// Beyond the seed: see values.yaml, and the run budget that an agent may want to know.
		"OPENAI_BASE_URL": "http://llm-service:8080/v1", "MAX_RUN_SECONDS": "300",
	}, config.Data)
	assert.Equal(t, map[string][]byte{"OPENAI_API_KEY": []byte("sk-test")}, secret.Data, "empty values are left out")
	assert.Equal(t, corev1.SecretTypeOpaque, secret.Type)
}

func TestExistingSecret(t *testing.T) {
	t.Parallel()
	objects := chart.Render(t, chart.Values{"secret.existingSecret": `"mine"`})
	assert.Empty(t, chart.All[*corev1.Secret](objects))
	agent := chart.One[*appsv1.Deployment](t, objects).Spec.Template.Spec.Containers[0]
	assert.Equal(t, "mine", agent.EnvFrom[1].SecretRef.Name)
}

// A changed environment must replace the pods, an unchanged one must not.
func TestPodsRollWithTheirEnvironment(t *testing.T) {
	t.Parallel()
	template := func(values chart.Values) corev1.PodTemplateSpec {
		return chart.One[*appsv1.Deployment](t, chart.Render(t, values)).Spec.Template
	}
	before := template(nil)
	assert.Equal(t, before, template(chart.Values{"service.port": "8080"}))
	for _, values := range []chart.Values{
		{"config.MODEL_NAME": `"other"`},
		{"secret.stringData.OPENAI_API_KEY": `"sk-test"`},
	} {
		assert.NotEqual(t, before, template(values), "%v", values)
	}
}

func TestHPAIsTheSeeds(t *testing.T) {
	t.Parallel()
	objects := chart.Render(t, nil)
	hpa := chart.One[*autoscalingv2.HorizontalPodAutoscaler](t, objects)
	assert.Equal(t, "ai-agent-hpa", hpa.Name)
	utilization := func(name corev1.ResourceName, percent int32) autoscalingv2.MetricSpec {
		return autoscalingv2.MetricSpec{
			Type: autoscalingv2.ResourceMetricSourceType,
			Resource: &autoscalingv2.ResourceMetricSource{
				Name:   name,
				Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: &percent},
			},
		}
	}
	rules := func(window, pods, period int32) *autoscalingv2.HPAScalingRules {
		return &autoscalingv2.HPAScalingRules{
			StabilizationWindowSeconds: &window,
			Policies:                   []autoscalingv2.HPAScalingPolicy{{Type: autoscalingv2.PodsScalingPolicy, Value: pods, PeriodSeconds: period}},
		}
	}
	minReplicas := int32(2)
	assert.Equal(t, autoscalingv2.HorizontalPodAutoscalerSpec{
		ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "ai-agent"},
		MinReplicas:    &minReplicas,
		MaxReplicas:    10,
		Metrics:        []autoscalingv2.MetricSpec{utilization("cpu", 70), utilization("memory", 80)},
		Behavior: &autoscalingv2.HorizontalPodAutoscalerBehavior{
			ScaleUp: rules(60, 2, 60), ScaleDown: rules(300, 1, 120),
		},
	}, hpa.Spec)
}

func TestReplicas(t *testing.T) {
	t.Parallel()
	replicas := func(values chart.Values) *int32 {
		return chart.One[*appsv1.Deployment](t, chart.Render(t, values)).Spec.Replicas
	}
	assert.Nil(t, replicas(nil), "the autoscaler owns the number")
	off := chart.Values{"autoscaling.enabled": "false"}
	assert.EqualValues(t, 3, *replicas(off), "the seed's")
	assert.Empty(t, chart.All[*autoscalingv2.HorizontalPodAutoscaler](chart.Render(t, off)))
}

func TestServiceIsTheSeeds(t *testing.T) {
	t.Parallel()
	objects := chart.Render(t, nil)
	service := chart.One[*corev1.Service](t, objects)
	assert.Equal(t, "ai-agent-service", service.Name)
	assert.Equal(t, corev1.ServiceTypeClusterIP, service.Spec.Type)
	assert.Equal(t, []corev1.ServicePort{
		// By name, where the seed has 8000: the same port, said in one place.
		{Name: "http", Port: 80, TargetPort: intstr.FromString("http"), Protocol: corev1.ProtocolTCP},
	}, service.Spec.Ports)

	deployment := chart.One[*appsv1.Deployment](t, objects)
	pods := labels.Set(deployment.Spec.Template.Labels)
	assert.True(t, labels.SelectorFromSet(service.Spec.Selector).Matches(pods), "the Service selects the pods")
	selector, err := metav1.LabelSelectorAsSelector(deployment.Spec.Selector)
	require.NoError(t, err)
	assert.True(t, selector.Matches(pods), "the Deployment selects the pods")
}

func TestIngressIsOffUntilAHostIsGiven(t *testing.T) {
	t.Parallel()
	assert.Empty(t, chart.All[*networkingv1.Ingress](chart.Render(t, nil)))
	ingress := chart.One[*networkingv1.Ingress](t, chart.Render(t, seedHost))
	assert.Equal(t, "ai-agent-ingress", ingress.Name)
	assert.Equal(t, map[string]string{
		"nginx.ingress.kubernetes.io/proxy-read-timeout": "300",
		"nginx.ingress.kubernetes.io/proxy-send-timeout": "300",
		"nginx.ingress.kubernetes.io/proxy-buffering":    "off", // beyond the seed: a stream is no stream in a buffer
	}, ingress.Annotations)
	prefix := networkingv1.PathTypePrefix
	assert.Equal(t, networkingv1.IngressSpec{
		Rules: []networkingv1.IngressRule{{
			Host: "agent.example.com",
			IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{
				Paths: []networkingv1.HTTPIngressPath{{
					Path: "/", PathType: &prefix,
					Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
						Name: "ai-agent-service", Port: networkingv1.ServiceBackendPort{Number: 80},
					}},
				}},
			}},
		}},
	}, ingress.Spec)
}

func TestServiceAccountHasNoToken(t *testing.T) {
	t.Parallel()
	objects := chart.Render(t, nil)
	account := chart.One[*corev1.ServiceAccount](t, objects)
	assert.False(t, *account.AutomountServiceAccountToken)
	pod := chart.One[*appsv1.Deployment](t, objects).Spec.Template.Spec
	assert.Equal(t, account.Name, pod.ServiceAccountName)
	assert.False(t, *pod.AutomountServiceAccountToken)
}
