package render

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
)

func TestEnvironmentIsReadFromConfigMapAndSecret(t *testing.T) {
	t.Parallel()
	objects := charttest.Render(t, chart.Values{"secret.stringData.OPENAI_API_KEY": "sk-test"})
	config, secret := charttest.One[*corev1.ConfigMap](t, objects), charttest.One[*corev1.Secret](t, objects)
	agent := charttest.One[*appsv1.Deployment](t, objects).Spec.Template.Spec.Containers[0]
	assert.Equal(t, []corev1.EnvVar{
		{Name: "DRAIN_SECONDS", Value: "310"}, {Name: "MAX_RUN_SECONDS", Value: "300"}, {Name: "PORT", Value: "8000"},
	}, agent.Env, "what no Secret may override")
	assert.Equal(t, []corev1.EnvFromSource{
		{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: config.Name}}},
		{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: secret.Name}}},
	}, agent.EnvFrom)
	assert.Equal(t, map[string][]byte{"OPENAI_API_KEY": []byte("sk-test")}, secret.Data, "empty values are left out")
	assert.Equal(t, corev1.SecretTypeOpaque, secret.Type)
}

// Whoever may read pods can read their annotations. A render with stringData alone, without
// the UID of a Secret, has two hexadecimal digits: a dictionary of passwords shrinks to
// 1/256. Other sources have nothing.
func TestAnnotationsRevealNoSecret(t *testing.T) {
	t.Parallel()
	kinds := map[string]bool{}
	for i := range 300 {
		deployment := deploymentOf(t, chart.Values{"secret.stringData.DATABASE_PASSWORD": fmt.Sprint("hunter", i)})
		of := deployment.Spec.Template.Annotations["checksum/secret"]
		assert.Regexp(t, "^offline-[0-9a-f]{2}$", of)
		assert.Equal(t, of, deployment.Annotations["checksum/secret"])
		kinds[deployment.Spec.Template.Annotations["checksum/secret-source"]] = true
	}
	assert.Len(t, kinds, 1, "the source is the same")
	for _, source := range []chart.Values{{"secret.existingSecret": "mine"}, aStore, aProvider} {
		assert.Equal(t, "none", deploymentOf(t, source).Spec.Template.Annotations["checksum/secret"])
	}
}

// Pods do not use refreshInterval, so a change of it must not replace them.
func TestRefreshIntervalDoesNotReplacePods(t *testing.T) {
	t.Parallel()
	before := deploymentOf(t, aStore).Spec.Template
	assert.Equal(t, before, deploymentOf(t, aStore.With("secret.externalSecret.refreshInterval", "5m")).Spec.Template)
	assert.NotEqual(t, before, deploymentOf(t, aStore.With("secret.revision", "2")).Spec.Template)
}

// With replicaCount null, the Deployment leaves the number of pods to an autoscaler, and
// says so: what has once been in a manifest cannot be removed without a fall to one pod.
func TestReplicasAreOmittedOnRequest(t *testing.T) {
	t.Parallel()
	for _, values := range []chart.Values{{"replicaCount": nil}, fixedCount.With("replicaCount", nil)} {
		deployment := deploymentOf(t, values)
		assert.Nil(t, deployment.Spec.Replicas)
		assert.Equal(t, "omitted", deployment.Annotations["ai-agent/replicas"])
	}
	assert.NotContains(t, deploymentOf(t, nil).Annotations, "ai-agent/replicas")
	assert.NotContains(t, deploymentOf(t, fixedCount).Annotations, "ai-agent/replicas")
}

func TestExistingSecretIsUsed(t *testing.T) {
	t.Parallel()
	objects := charttest.Render(t, chart.Values{"secret.existingSecret": "mine"})
	assert.Empty(t, chart.All[*corev1.Secret](objects))
	agent := charttest.One[*appsv1.Deployment](t, objects).Spec.Template.Spec.Containers[0]
	assert.Equal(t, "mine", agent.EnvFrom[1].SecretRef.Name)
}
