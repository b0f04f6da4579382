package live

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/cluster"
	"example.com/ai-agent/test/internal/observe"
	"example.com/ai-agent/test/internal/profile"
)

// installRole returns the rules of the Role that the chart documents.
func installRole(t *testing.T) []rbacv1.PolicyRule {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(chart.Dir(), "install-role.yaml"))
	require.NoError(t, err)
	var role rbacv1.Role
	require.NoError(t, yaml.UnmarshalStrict(text, &role))
	return role.Rules
}

// without returns the rules without one verb of a resource.
func without(rules []rbacv1.PolicyRule, verb, resource string) []rbacv1.PolicyRule {
	var less []rbacv1.PolicyRule
	for _, rule := range rules {
		rule := *rule.DeepCopy()
		if slices.Contains(rule.Resources, resource) {
			reduced := *rule.DeepCopy()
			reduced.Resources = []string{resource}
			reduced.Verbs = slices.DeleteFunc(reduced.Verbs, func(v string) bool { return v == verb })
			less = append(less, reduced)
			rule.Resources = slices.DeleteFunc(rule.Resources, func(r string) bool { return r == resource })
		}
		if len(rule.Resources) > 0 {
			less = append(less, rule)
		}
	}
	return less
}

// grant makes these the only rights of the deployer in the namespace, and returns the
// flags with which helm acts as the deployer.
func grant(t *testing.T, n *cluster.Namespace, rules []rbacv1.PolicyRule) []string {
	t.Helper()
	roles, bindings := n.Client().RbacV1().Roles(n.Name), n.Client().RbacV1().RoleBindings(n.Name)
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{GenerateName: "deployer-"}, Rules: rules}
	created, err := roles.Create(t.Context(), role, metav1.CreateOptions{})
	require.NoError(t, err)
	require.NoError(t, bindings.DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "deployer"}))
	_, err = bindings.Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "deployer-", Labels: map[string]string{"deployer": ""}},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: "deployer", Namespace: n.Name}},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: created.Name},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	cluster.Eventually(t, "the rights of the deployer", time.Minute, may(n, true, "get", "apps", "deployments"))
	return []string{"--kube-as-user=system:serviceaccount:" + n.Name + ":deployer"}
}

// may holds once the deployer has a right, or no longer has it: the API server sees changes
// of roles a little later.
func may(n *cluster.Namespace, want bool, verb, group, resource string) cluster.Condition {
	return func(ctx context.Context) error {
		review := &authorizationv1.LocalSubjectAccessReview{
			ObjectMeta: metav1.ObjectMeta{Namespace: n.Name},
			Spec: authorizationv1.SubjectAccessReviewSpec{
				User:               "system:serviceaccount:" + n.Name + ":deployer",
				ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: n.Name, Verb: verb, Group: group, Resource: resource},
			},
		}
		answer, err := n.Client().AuthorizationV1().LocalSubjectAccessReviews(n.Name).Create(ctx, review, metav1.CreateOptions{})
		if err == nil && answer.Status.Allowed != want {
			err = fmt.Errorf("may the deployer %s %s: %t", verb, resource, answer.Status.Allowed)
		}
		return err
	}
}

// The documented Role suffices to install, upgrade, roll back, test and uninstall a
// release that has a schedule, a job, rights and an Ingress, with Helm 3 and 4. Control: with one right
// less, the upgrade fails.
func TestInstallRoleSuffices(t *testing.T) {
	t.Parallel()
	eachHelm(t, func(t *testing.T, helm string) {
		n := newNamespace(t).Using(helm)
		as := grant(t, n, installRole(t))
		values := profile.Small().And(chart.Values{
			"schedules.a": schedule("@yearly", nil), "ingress.hosts": chart.List{chart.Map{"host": "agent.example.com"}},
			"secret.stringData.OPENAI_API_KEY": "a",
			"rbac.rules":                       chart.List{chart.Map{"apiGroups": chart.List{""}, "resources": chart.List{"configmaps"}, "verbs": chart.List{"get"}}},
		}).And(migration("OPENAI_BASE_URL"))
		n.InstallNoWait(t, "ai-agent", values, append(as, "--wait", "--timeout=3m")...)
		upgrade := func(as []string) (string, error) {
			return n.TryUpgrade(t, "ai-agent", chart.Values{"config.LOG_LEVEL": "DEBUG"}, append(as, "--reuse-values", "--wait", "--timeout=3m")...)
		}
		out, err := upgrade(as)
		require.NoError(t, err, out)
		for _, command := range [][]string{{"rollback", "ai-agent", "1", "--wait", "--timeout=3m"}, {"test", "ai-agent", "--logs"}} {
			n.MustHelm(t, append(command, as...)...)
		}

		less := grant(t, n, without(installRole(t), "patch", "deployments"))
		cluster.Eventually(t, "the loss of the right", time.Minute, may(n, false, "patch", "apps", "deployments"))
		out, err = upgrade(less)
		require.Error(t, err, "control")
		assert.Contains(t, out, "forbidden")

		as = grant(t, n, installRole(t))
		cluster.Eventually(t, "the right again", time.Minute, may(n, true, "patch", "apps", "deployments"))
		n.MustHelm(t, append([]string{"uninstall", "ai-agent"}, as...)...)
	})
}

// A deployer that may not read Secrets installs and upgrades with releases in ConfigMaps,
// your Secret, and secret.detectRotation false. Control: without that, an upgrade reads
// the Secret and fails. Not parallel, because the driver is an environment variable.
func TestInstallWithoutReadingSecrets(t *testing.T) {
	t.Setenv("HELM_DRIVER", "configmap")
	n := newNamespace(t)
	n.MustKubectl(t, "create", "secret", "generic", "mine", "--from-literal=OPENAI_API_KEY=a")
	rules := installRole(t)
	for _, verb := range []string{"get", "list", "watch", "create", "update", "patch", "delete"} {
		rules = without(rules, verb, "secrets")
	}
	rules = slices.DeleteFunc(rules, func(rule rbacv1.PolicyRule) bool { return len(rule.Verbs) == 0 })
	as := grant(t, n, rules)
	values := profile.Single(chart.Values{"secret.existingSecret": "mine", "secret.detectRotation": false})
	n.InstallNoWait(t, "ai-agent", values, append(as, "--wait", "--timeout=3m")...)
	agents := observe.Of(n, "ai-agent")
	before := agents.UIDs(t)
	upgrade := func(values chart.Values) (string, error) {
		return n.TryUpgrade(t, "ai-agent", values, append(as, "--reuse-values", "--wait", "--timeout=3m")...)
	}
	out, err := upgrade(nil)
	require.NoError(t, err, out)
	assert.Equal(t, before, agents.UIDs(t), "nothing was changed")
	out, err = upgrade(chart.Values{"secret.detectRotation": true})
	require.Error(t, err, "control")
	assert.Contains(t, out, "forbidden")
	out, err = upgrade(chart.Values{"secret.revision": "2"})
	require.NoError(t, err, out)
	cluster.Eventually(t, "only new pods", time.Minute, agents.Replaced(before))
}
