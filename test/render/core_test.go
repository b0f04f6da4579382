package render

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"example.com/ai-agent/test/internal/chart"
)

// seedHost is the host of the seed's Ingress.
var seedHost = chart.Values{"ingress.hosts": `[{"host": "agent.example.com"}]`}

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

func TestSelectorsSelectThePods(t *testing.T) {
	t.Parallel()
	objects := chart.Render(t, nil)
	service := chart.One[*corev1.Service](t, objects)
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
	chart.One[*networkingv1.Ingress](t, chart.Render(t, seedHost))
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
