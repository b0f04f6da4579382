package check

import (
	"fmt"
	"slices"
	"strconv"

	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/finding"
)

// access are checks of what an object opens: the API server to an agent, or the
// network.
func access() []Check {
	row := func(id string, severity finding.Severity, title, source string, run rowRun) Check {
		return newRow("access-"+id, severity, title, source, run)
	}
	const rbac = "good practices for RBAC, Kubernetes' documentation"
	return []Check{
		row("cluster-admin", finding.Error, "no binding grants cluster-admin", rbac, clusterAdmin),
		row("wildcard-role", finding.Warning, "no role has a wildcard for verbs, or for resources", rbac, wildcardRole).with("rbac-wildcard"),
		row("allow-all-policy", finding.Error, "no NetworkPolicy permits all traffic of an agent", "NetworkPolicies add up", allowAllPolicy),
	}
}

func clusterAdmin(objects chart.Objects) []finding.Finding {
	var found []finding.Finding
	find := func(object string, role rbacv1.RoleRef) {
		if role.Kind == "ClusterRole" && role.Name == "cluster-admin" {
			found = append(found, finding.Finding{
				Object: object, Path: finding.Path{"roleRef", "name"},
				Problem: "It grants cluster-admin: a prompt that misleads the agent can then delete or read everything.",
				Fix:     "Bind a Role with the verbs and resources that the agent needs.",
			})
		}
	}
	for _, binding := range chart.All[*rbacv1.ClusterRoleBinding](objects) {
		find(name(binding), binding.RoleRef)
	}
	for _, binding := range chart.All[*rbacv1.RoleBinding](objects) {
		find(name(binding), binding.RoleRef)
	}
	return found
}

func wildcardRole(objects chart.Objects) []finding.Finding {
	var found []finding.Finding
	for _, role := range chart.All[*rbacv1.ClusterRole](objects) {
		found = append(found, wildcards(name(role), role.Rules)...)
	}
	for _, role := range chart.All[*rbacv1.Role](objects) {
		found = append(found, wildcards(name(role), role.Rules)...)
	}
	return found
}

func wildcards(object string, rules []rbacv1.PolicyRule) []finding.Finding {
	var found []finding.Finding
	for i, rule := range rules {
		values := map[string][]string{"verbs": rule.Verbs, "resources": rule.Resources}
		for _, field := range []string{"resources", "verbs"} {
			if slices.Contains(values[field], "*") {
				found = append(found, finding.Finding{
					Object: object, Path: finding.Path{"rules", strconv.Itoa(i), field},
					Problem: fmt.Sprintf("It has a wildcard for %s, which includes those that a later version of Kubernetes adds.", field),
					Fix:     "List the " + field + " that the agent needs.",
				})
			}
		}
	}
	return found
}

// allowAllPolicy finds rules without peers and ports. Policies add up, so such a rule
// makes every other one of these pods useless.
func allowAllPolicy(objects chart.Objects) []finding.Finding {
	var found []finding.Finding
	for _, policy := range chart.All[*networkingv1.NetworkPolicy](objects) {
		if !selectsAgent(objects, policy) {
			continue
		}
		for i, rule := range policy.Spec.Ingress {
			if anyPeer(rule.From) && len(rule.Ports) == 0 {
				found = append(found, openRule(policy, "ingress", i))
			}
		}
		for i, rule := range policy.Spec.Egress {
			if anyPeer(rule.To) && len(rule.Ports) == 0 {
				found = append(found, openRule(policy, "egress", i))
			}
		}
	}
	return found
}

func openRule(policy *networkingv1.NetworkPolicy, direction string, rule int) finding.Finding {
	return finding.Finding{
		Object: name(policy), Path: finding.Path{"spec", direction, strconv.Itoa(rule)},
		Problem: fmt.Sprintf("This rule permits all %s traffic. NetworkPolicies add up, so those of the chart no longer restrict the agent.", direction),
		Fix:     "Name peers or ports in the rule, or narrow podSelector to other pods.",
	}
}

// selectsAgent reports whether a policy applies to the pods of a workload of the
// render.
func selectsAgent(objects chart.Objects, policy *networkingv1.NetworkPolicy) bool {
	return slices.ContainsFunc(workloads(objects), func(workload workload) bool {
		return namespaceOf(policy) == namespaceOf(workload.Object) && selects(&policy.Spec.PodSelector, workload.pod.Labels)
	})
}

// anyPeer reports whether every address is among the peers of a rule.
func anyPeer(peers []networkingv1.NetworkPolicyPeer) bool {
	return len(peers) == 0 || slices.ContainsFunc(peers, func(peer networkingv1.NetworkPolicyPeer) bool {
		return peer.IPBlock != nil && slices.Contains([]string{"0.0.0.0/0", "::/0"}, peer.IPBlock.CIDR) && len(peer.IPBlock.Except) == 0
	})
}
