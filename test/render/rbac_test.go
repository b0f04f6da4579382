package render

import (
	"testing"

	"github.com/stretchr/testify/assert"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
)

// aRight is a rule for one verb of a resource.
func aRight(verb, resource string) chart.Map {
	return chart.Map{"apiGroups": chart.List{""}, "resources": chart.List{resource}, "verbs": chart.List{verb}}
}

// rights are rules for an agent whose API server has a known address.
func rights(rules ...any) chart.Values {
	return chart.Values{"rbac.rules": chart.List(rules), "networkPolicy.egress.kubernetesAPI": chart.List{aBlock("192.0.2.1/32")}}
}

// Rules are a Role that the agent's ServiceAccount alone has. The pods of the server, of
// workers and of jobs have the token. Without rules, there is none of it.
func TestRightsOfTheAgent(t *testing.T) {
	t.Parallel()
	values := rights(aRight("get", "configmaps")).And(job("a", nil)).And(worker("queue", nil))
	objects := charttest.Render(t, values)
	for name, account := range map[string]string{"ai-agent": "ai-agent", "ai-agent-hook": "ai-agent-hook"} {
		role := byName(chart.All[*rbacv1.Role](objects))[name]
		assert.Equal(t, []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"get"}}}, role.Rules)
		binding := byName(chart.All[*rbacv1.RoleBinding](objects))[name]
		assert.Equal(t, rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name}, binding.RoleRef)
		assert.Equal(t, []rbacv1.Subject{{Kind: "ServiceAccount", Name: account, Namespace: "default"}}, binding.Subjects)
	}
	for name, pod := range podsOf(objects) {
		assert.True(t, *pod.AutomountServiceAccountToken, name)
	}
	without := charttest.Render(t, job("a", nil).And(worker("queue", nil)))
	assert.Empty(t, chart.All[*rbacv1.Role](without))
	assert.Empty(t, chart.All[*rbacv1.RoleBinding](without))
	for name, pod := range podsOf(without) {
		assert.False(t, *pod.AutomountServiceAccountToken, name)
	}
}

// podsOf returns the pods of the Deployments and the Jobs by name.
func podsOf(objects chart.Objects) map[string]corev1.PodSpec {
	pods := map[string]corev1.PodSpec{}
	for _, deployment := range chart.All[*appsv1.Deployment](objects) {
		pods[deployment.Name] = deployment.Spec.Template.Spec
	}
	for _, job := range chart.All[*batchv1.Job](objects) {
		pods[job.Name] = job.Spec.Template.Spec
	}
	return pods
}

// With rules, the policy opens the usual ports of the API server: of its addresses or, if
// they are not known, of any but those of the node and of cloud credentials.
func TestRightsOpenTheAPIServer(t *testing.T) {
	t.Parallel()
	apiServer := func(values chart.Values) []networkingv1.NetworkPolicyPeer {
		for _, rule := range charttest.One[*networkingv1.NetworkPolicy](t, charttest.Render(t, values)).Spec.Egress {
			if len(rule.Ports) == 2 && rule.Ports[1].Port.IntValue() == 6443 {
				return rule.To
			}
		}
		return nil
	}
	assert.Nil(t, apiServer(nil))
	known := apiServer(rights(aRight("get", "configmaps")))
	assert.Len(t, known, 1)
	assert.Equal(t, "192.0.2.1/32", known[0].IPBlock.CIDR)
	anywhere := apiServer(chart.Values{"rbac.rules": chart.List{aRight("get", "configmaps")}})
	assert.Equal(t, "0.0.0.0/0", anywhere[0].IPBlock.CIDR)
	assert.Subset(t, anywhere[0].IPBlock.Except, []string{"169.254.0.0/16", "127.0.0.0/8"})
}

// The test of the policy does not expect that the API server is blocked if it is open.
func TestRightsAndTheTestOfThePolicy(t *testing.T) {
	t.Parallel()
	unreachable := func(values chart.Values) []string {
		for _, pod := range chart.All[*corev1.Pod](charttest.Render(t, values)) {
			if pod.Name == "ai-agent-test-policy" {
				return pod.Spec.Containers[0].Args
			}
		}
		return nil
	}
	other := chart.Values{"helmTest.unreachable": chart.List{"kubernetes.default:443", "db:5432"}}
	assert.Equal(t, []string{"--unreachable", "kubernetes.default:443,db:5432"}, unreachable(other))
	assert.Equal(t, []string{"--unreachable", "db:5432"}, unreachable(other.And(rights(aRight("get", "configmaps")))))
	assert.Nil(t, unreachable(rights(aRight("get", "configmaps"))))
}
