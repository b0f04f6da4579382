package check

import (
	"context"
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"example.com/ai-agent/test/internal/chart"
)

// practices are the rows of the seed's table "Best practices", one check each.
func practices() []Check {
	row := func(id string, severity Severity, title string, run func(chart.Objects) []Finding) Check {
		return seedRow("practice-"+id, severity, title, "the seed, Best practices", run)
	}
	return []Check{
		row("requests-and-limits", Error, "every container has requests and limits of CPU and memory", requestsAndLimits),
		row("three-probes", Error, "every serving container has startup, liveness and readiness probes", threeProbes),
		row("slow-scale-down", Error, "an autoscaler takes few pods away at a time", slowScaleDown),
		row("env-from", Warning, "the environment comes whole from a ConfigMap and a Secret", envFrom),
		row("pinned-image", Error, "every image has a tag or a digest", pinnedImage),
		row("disruption-budget", Warning, "every Deployment of several pods has a disruption budget", disruptionBudget),
	}
}

func seedRow(id string, severity Severity, title, source string, run func(chart.Objects) []Finding) Check {
	return Check{
		ID: id, Title: title, Source: source, Severity: severity,
		run: func(_ context.Context, subject Subject) ([]Finding, error) { return run(subject.Objects), nil },
	}
}

func requestsAndLimits(objects chart.Objects) []Finding {
	var found []Finding
	for _, c := range containers(objects) {
		lists := []struct {
			name string
			list corev1.ResourceList
		}{{"requests", c.Resources.Requests}, {"limits", c.Resources.Limits}}
		for _, of := range lists {
			for _, resource := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
				if amount := of.list[resource]; amount.IsZero() {
					found = append(found, c.finding(fmt.Sprintf("resources.%s.%s", of.name, resource),
						"nothing is set: it can starve its neighbours, or they it",
						"Set agent.type or resources; of a container of your own, its resources."))
				}
			}
		}
	}
	return found
}

func threeProbes(objects chart.Objects) []Finding {
	var found []Finding
	for _, c := range containers(objects) {
		if !c.serves() {
			continue
		}
		probes := map[string]*corev1.Probe{"startupProbe": c.StartupProbe, "livenessProbe": c.LivenessProbe, "readinessProbe": c.ReadinessProbe}
		for _, name := range []string{"startupProbe", "livenessProbe", "readinessProbe"} {
			if probes[name] == nil {
				finding := c.finding(name, "the container has none", "Leave "+name+" at its default, or set one of your own.")
				if !c.isAgent() {
					finding.Severity = Warning // a sidecar's, whose own business it may be
				}
				found = append(found, finding)
			}
		}
	}
	return found
}

func slowScaleDown(objects chart.Objects) []Finding {
	var found []Finding
	for _, hpa := range chart.All[*autoscalingv2.HorizontalPodAutoscaler](objects) {
		finding := Finding{
			Object: name(hpa), Field: "spec.behavior.scaleDown.policies",
			Fix: "Leave autoscaling.behavior.scaleDown.policies at its default: one pod each 120 s.",
		}
		down := scaleDown(hpa)
		if down.SelectPolicy != nil && *down.SelectPolicy == autoscalingv2.DisabledPolicySelect {
			continue
		}
		if len(down.Policies) == 0 {
			finding.Problem = "there is none, and Kubernetes' default takes every pod over the minimum at once"
			found = append(found, finding)
		}
		for _, policy := range down.Policies {
			if policy.Type == autoscalingv2.PercentScalingPolicy && policy.Value > 50 {
				finding.Problem = fmt.Sprintf("%d %% of the pods may go each %d s, with the runs in them", policy.Value, policy.PeriodSeconds)
				found = append(found, finding)
			}
		}
	}
	return found
}

func scaleDown(hpa *autoscalingv2.HorizontalPodAutoscaler) autoscalingv2.HPAScalingRules {
	if hpa.Spec.Behavior == nil || hpa.Spec.Behavior.ScaleDown == nil {
		return autoscalingv2.HPAScalingRules{}
	}
	return *hpa.Spec.Behavior.ScaleDown
}

func envFrom(objects chart.Objects) []Finding {
	var found []Finding
	for _, c := range containers(objects) {
		if c.isAgent() && len(c.EnvFrom) <= len(c.literals())/2 {
			found = append(found, c.finding("env", fmt.Sprintf("%d variables are set one by one: %s", len(c.literals()), strings.Join(c.literals(), ", ")),
				"Move settings to config and keys to a Secret; both arrive through envFrom."))
		}
	}
	return found
}

// literals names the variables whose values stand in the pod.
func (c container) literals() []string {
	var names []string
	for _, variable := range c.Env {
		if variable.ValueFrom == nil {
			names = append(names, variable.Name)
		}
	}
	return names
}

func pinnedImage(objects chart.Objects) []Finding {
	var found []Finding
	for _, c := range containers(objects) {
		if tag, digest := imageVersion(c.Image); tag == "" && !digest {
			found = append(found, c.finding("image", fmt.Sprintf("%q has neither tag nor digest: which version runs changes without a release", c.Image),
				"Set image.tag or image.digest; of a container of your own, its image."))
		}
	}
	return found
}

// imageVersion returns the tag of an image reference, and whether it has a digest.
func imageVersion(image string) (tag string, digest bool) {
	image, _, digest = strings.Cut(image, "@")
	last := image[strings.LastIndex(image, "/")+1:] // before it, a colon is a port's
	_, tag, _ = strings.Cut(last, ":")
	return tag, digest
}

func disruptionBudget(objects chart.Objects) []Finding {
	var found []Finding
	budgets := chart.All[*policyv1.PodDisruptionBudget](objects)
	for _, deployment := range chart.All[*appsv1.Deployment](objects) {
		least := leastPods(objects, deployment)
		var selecting []*policyv1.PodDisruptionBudget
		for _, budget := range budgets {
			if selects(budget.Spec.Selector, deployment.Spec.Template.Labels) {
				selecting = append(selecting, budget)
			}
		}
		if len(selecting) == 0 && least > 1 {
			found = append(found, Finding{
				Object: name(deployment), Field: "spec.selector",
				Problem: "no PodDisruptionBudget selects its pods: maintenance may take all of them at once",
				Fix:     "Set podDisruptionBudget.enabled to true.",
			})
		}
		if len(selecting) > 1 {
			found = append(found, Finding{
				Object: name(deployment), Field: "spec.selector",
				Problem: "several PodDisruptionBudgets select its pods, and Kubernetes then evicts none",
				Fix:     "Keep one of them; look at extraObjects.",
			})
		}
		for _, budget := range selecting {
			if least > 0 && allowed(budget, least) < 1 {
				found = append(found, Finding{
					Object: name(budget), Field: "spec",
					Problem: fmt.Sprintf("of %d pods it lets none go: a drain of their nodes never ends", least),
					Fix:     "Set podDisruptionBudget.minAvailable below the number of pods, or run more.",
				})
			}
		}
	}
	return found
}

// leastPods is the smallest number of pods that a Deployment may have; 0 where it
// is none, or not known.
func leastPods(objects chart.Objects, deployment *appsv1.Deployment) int {
	for _, hpa := range chart.All[*autoscalingv2.HorizontalPodAutoscaler](objects) {
		if hpa.Spec.ScaleTargetRef.Name == deployment.Name && hpa.Spec.MinReplicas != nil {
			return int(*hpa.Spec.MinReplicas)
		}
	}
	if deployment.Spec.Replicas == nil {
		return 0 // an autoscaler's that is not seen here
	}
	return int(*deployment.Spec.Replicas)
}

// allowed returns how many of so many healthy pods a budget lets go, rounded as
// the disruption controller does.
func allowed(budget *policyv1.PodDisruptionBudget, pods int) int {
	if most := budget.Spec.MaxUnavailable; most != nil {
		count, _ := intstr.GetScaledValueFromIntOrPercent(most, pods, true) // the schema has it as a number or a percentage
		return count
	}
	if budget.Spec.MinAvailable == nil {
		return pods
	}
	least, _ := intstr.GetScaledValueFromIntOrPercent(budget.Spec.MinAvailable, pods, true)
	return pods - least
}

func selects(selector *metav1.LabelSelector, set map[string]string) bool {
	parsed, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && parsed.Matches(labels.Set(set))
}
