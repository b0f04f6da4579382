package check

import (
	"context"
	"fmt"

	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	"example.com/ai-agent/test/internal/finding"
)

// podSecurity evaluates every pod as a namespace with "restricted" enforced does.
func podSecurity() Check {
	return Check{
		Rule: finding.Rule{
			ID: "pod-security", Title: `namespaces that enforce Pod Security "restricted" admit the pods`,
			Source: "k8s.io/pod-security-admission", Severity: finding.Error,
		},
		run: func(_ context.Context, subject Subject) ([]finding.Finding, error) {
			evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
			if err != nil {
				return nil, err
			}
			restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
			var found []finding.Finding
			for _, pod := range pods(subject.Objects) {
				for _, result := range evaluator.EvaluatePod(restricted, &pod.meta, &pod.spec) {
					if result.Allowed {
						continue
					}
					found = append(found, finding.Finding{
						Object:  pod.object,
						Path:    pod.path,
						Problem: fmt.Sprintf("Pod Security \"restricted\" refuses this pod: %s: %s.", result.ForbiddenReason, result.ForbiddenDetail),
						Fix:     "Remove what you changed in podSecurityContext and securityContext, or set securityContext in your containers.",
					})
				}
			}
			return found, nil
		},
	}
}
