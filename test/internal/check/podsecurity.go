package check

import (
	"context"
	"fmt"

	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// podSecurity evaluates every pod as a namespace that enforces "restricted" does.
func podSecurity() Check {
	return Check{
		ID:       "pod-security",
		Title:    `pods are admitted where Pod Security "restricted" is enforced`,
		Source:   "k8s.io/pod-security-admission",
		Severity: Error,
		run: func(_ context.Context, subject Subject) ([]Finding, error) {
			evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
			if err != nil {
				return nil, err
			}
			restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
			var found []Finding
			for _, pod := range pods(subject.Objects) {
				for _, result := range evaluator.EvaluatePod(restricted, &pod.meta, &pod.spec) {
					if result.Allowed {
						continue
					}
					found = append(found, Finding{
						Object:  pod.object,
						Field:   pod.field,
						Problem: fmt.Sprintf("%s: %s", result.ForbiddenReason, result.ForbiddenDetail),
						Fix:     "Set podSecurityContext and securityContext, or those of your own containers, as Pod Security wants them.",
					})
				}
			}
			return found, nil
		},
	}
}
