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

// The tests of another image are those that it can run: its own command, the chart's by an
// interpreter that it has, the sample agent's in an image of its own, or none.
func TestTestPodsOfAnotherImage(t *testing.T) {
	t.Parallel()
	own := ownImage("acme/agent").With("config.A", "b").And(chart.Values{"sample.enabled": false, "readinessProbe": chart.Map{"httpGet": chart.Map{"path": "/up"}}})
	assert.Empty(t, testPods(t, own))
	for name, tc := range map[string]struct {
		values  chart.Values
		command []string
		url     string
	}{
		"a command":          {chart.Values{"helmTest.command": chart.List{"/check"}}, []string{"/check"}, "http://ai-agent-service:80"},
		"the sample's image": {chart.Values{"helmTest.image": "ai-agent:1.1.0"}, []string{"/agent", "check"}, "http://ai-agent-service:80"},
		"Python":             {chart.Values{"helmTest.interpreter": "python3"}, []string{"python3", "-c", script(t, "check.py")}, "http://ai-agent-service:80/up"},
		"Node.js":            {chart.Values{"helmTest.interpreter": "node"}, []string{"node", "-e", script(t, "check.js"), "--"}, "http://ai-agent-service:80/up"},
	} {
		pods := testPods(t, own.And(tc.values))
		require.Len(t, pods, 3, name)
		container := pods["ai-agent-test-service"].Spec.Containers[0]
		assert.Equal(t, tc.command, container.Command, name)
		assert.Equal(t, []string{"--url", tc.url}, container.Args, name)
	}
}

// The chart's own test asks for the path of the readiness probe. Without one, any answer
// will do: no path is given.
func TestTestPathIsThatOfTheReadinessProbe(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		probe any
		url   string
	}{
		"a path":             {chart.Map{"httpGet": chart.Map{"path": "/up?all=1"}}, "http://ai-agent-service:80/up?all=1"},
		"without a slash":    {chart.Map{"httpGet": chart.Map{"path": "up"}}, "http://ai-agent-service:80/up"},
		"a connection":       {chart.Map{"tcpSocket": chart.Map{"port": "http"}}, "http://ai-agent-service:80"},
		"the metrics' port":  {chart.Map{"httpGet": chart.Map{"port": "metrics"}}, "http://ai-agent-service:80"},
		"no readiness probe": {nil, "http://ai-agent-service:80"},
	} {
		pods := testPods(t, chart.Values{"helmTest.interpreter": "python", "readinessProbe": tc.probe})
		assert.Equal(t, []string{"--url", tc.url}, pods["ai-agent-test-service"].Spec.Containers[0].Args, name)
	}
}

// The test that asks for runs gets the Secret if a variable refers to one of its keys.
func TestVariablesOfATestMayReferToTheSecret(t *testing.T) {
	t.Parallel()
	own := chart.Values{"helmTest.protocol": "openai-chat", "secret.existingSecret": "mine"}
	runs := func(variables chart.Map) corev1.Container {
		return testPods(t, own.With("helmTest.variables", variables))["ai-agent-test-runs"].Spec.Containers[0]
	}
	assert.Empty(t, runs(chart.Map{"MODEL": "a"}).EnvFrom)
	container := runs(chart.Map{"API_KEY": "$(AGENT_KEY)"})
	assert.Contains(t, container.Args, "--var=API_KEY=$(AGENT_KEY)")
	require.Len(t, container.EnvFrom, 1)
	assert.Equal(t, "mine", container.EnvFrom[0].SecretRef.Name)
}

// A release without configuration has nothing to test about it.
func TestTestPodsWithoutConfiguration(t *testing.T) {
	t.Parallel()
	assert.NotContains(t, testPods(t, chart.Values{"sample.enabled": false, "helmTest.image": "ai-agent:1.1.0"}), "ai-agent-test-config")
}

func script(t *testing.T, name string) string {
	t.Helper()
	return string(charttest.Own(t).File("files/" + name))
}
