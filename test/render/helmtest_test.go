package render

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
)

// testPods renders values and returns the pods of `helm test` by name.
func testPods(t *testing.T, values chart.Values) map[string]*corev1.Pod {
	t.Helper()
	pods := map[string]*corev1.Pod{}
	for _, pod := range chart.All[*corev1.Pod](charttest.Render(t, values)) {
		pods[pod.Name] = pod
	}
	return pods
}

func TestTestPods(t *testing.T) {
	t.Parallel()
	pods := testPods(t, nil)
	require.Len(t, pods, 3)
	for name, pod := range pods {
		assert.Equal(t, "test", pod.Annotations["helm.sh/hook"], name)
		// With hook-succeeded, Helm would delete the pods before `helm test --logs` reads their logs.
		assert.Equal(t, "before-hook-creation", pod.Annotations["helm.sh/hook-delete-policy"], name)
		assert.Equal(t, corev1.RestartPolicyNever, pod.Spec.RestartPolicy, name)
		assert.False(t, *pod.Spec.AutomountServiceAccountToken, name)
		assert.True(t, *pod.Spec.SecurityContext.RunAsNonRoot, name)
		assert.True(t, *pod.Spec.Containers[0].SecurityContext.ReadOnlyRootFilesystem, name)
	}
	assert.Equal(t, []string{"--url", "http://ai-agent-service:80"}, pods["ai-agent-test-service"].Spec.Containers[0].Args)
	assert.Equal(t, []string{"--unreachable", "kubernetes.default:443"}, pods["ai-agent-test-policy"].Spec.Containers[0].Args)
}

// An empty security context is omitted, so that OpenShift can set its own.
func TestTestPodsWithoutSecurityContext(t *testing.T) {
	t.Parallel()
	for name, pod := range testPods(t, chart.Values{"podSecurityContext": nil, "securityContext": nil}) {
		assert.Nil(t, pod.Spec.SecurityContext, name)
		assert.Nil(t, pod.Spec.Containers[0].SecurityContext, name)
	}
}

// The test of the policy has the labels to which the policy applies; the others
// do not.
func TestPolicyAppliesToItsTestPod(t *testing.T) {
	t.Parallel()
	for name, pod := range testPods(t, nil) {
		assert.Equal(t, name == "ai-agent-test-policy", pod.Labels["app"] == "ai-agent", name)
		assert.Equal(t, "test", pod.Labels["app.kubernetes.io/component"], name)
	}
}

func TestPolicyIsTestedOnlyIfThereIsSomethingToTest(t *testing.T) {
	t.Parallel()
	for name, values := range map[string]chart.Values{
		"no policy":            {"networkPolicy.enabled": false},
		"nothing to reach":     {"helmTest.unreachable": chart.List{}},
		"nothing to reach, ~":  {"helmTest.unreachable": nil},
		"no test pods at all":  {"helmTest.enabled": false},
		"no test pods, either": {"helmTest.enabled": false, "networkPolicy.enabled": false},
	} {
		assert.NotContains(t, testPods(t, values), "ai-agent-test-policy", name)
	}
}
