package check

import (
	"fmt"
	"slices"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/finding"
)

// practices are the rows of the specification's table "Best practices", a check
// for each.
func practices() []Check {
	row := func(id string, severity finding.Severity, title string, run rowRun) Check {
		return newRow("practice-"+id, severity, title, "best practices for agents", run)
	}
	return []Check{
		row("requests-and-limits", finding.Error, "every container has requests and limits for CPU and memory", requestsAndLimits),
		row("three-probes", finding.Error, "every serving container has startup, liveness and readiness probes", threeProbes),
		row("slow-scale-down", finding.Error, "an autoscaler removes few pods at a time", slowScaleDown),
		row("env-from", finding.Warning, "a ConfigMap and a Secret provide the environment as a whole", envFrom),
		row("pinned-image", finding.Error, "every image has a tag or a digest", pinnedImage).with("sidecar-image-tag"),
		row("disruption-budget", finding.Warning, "every Deployment or StatefulSet of several pods has a PodDisruptionBudget", disruptionBudget),
	}
}

func requestsAndLimits(objects chart.Objects) []finding.Finding {
	var found []finding.Finding
	for _, c := range containers(objects) {
		lists := []struct {
			name string
			list corev1.ResourceList
		}{{"requests", c.Resources.Requests}, {"limits", c.Resources.Limits}}
		for _, of := range lists {
			for _, resource := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
				if amount := of.list[resource]; amount.IsZero() {
					found = append(found, c.finding(finding.Path{"resources", of.name, string(resource)},
						fmt.Sprintf("has no %s %s: it can starve its neighbors, or they can starve it.", resource, strings.TrimSuffix(of.name, "s")),
						"Set agent.type or resources. For an additional container, set its resources."))
				}
			}
		}
	}
	return found
}

func threeProbes(objects chart.Objects) []finding.Finding {
	var found []finding.Finding
	for _, c := range containers(objects) {
		if !c.serves() {
			continue
		}
		probes := map[string]*corev1.Probe{"startupProbe": c.StartupProbe, "livenessProbe": c.LivenessProbe, "readinessProbe": c.ReadinessProbe}
		for _, name := range []string{"startupProbe", "livenessProbe", "readinessProbe"} {
			if probes[name] == nil {
				missing := c.finding(finding.Path{name}, "has no "+name+".", "Remove your "+name+" to get the default, or complete it.")
				if !c.isAgent() || c.isWorker() {
					missing.Severity = finding.Warning // a sidecar or a worker may do without
					missing.Fix = "Add a " + name + " to the container."
				}
				found = append(found, missing)
			}
		}
	}
	return found
}

func slowScaleDown(objects chart.Objects) []finding.Finding {
	var found []finding.Finding
	for _, hpa := range chart.All[*autoscalingv2.HorizontalPodAutoscaler](objects) {
		down := scaleDown(hpa)
		if down.SelectPolicy != nil && *down.SelectPolicy == autoscalingv2.DisabledPolicySelect {
			continue
		}
		var problems []string
		if len(down.Policies) == 0 {
			problems = append(problems, "No policy limits scaling down, and by default Kubernetes removes every pod above the minimum at once.")
		}
		for _, policy := range down.Policies {
			if policy.Type == autoscalingv2.PercentScalingPolicy && policy.Value > 50 {
				problems = append(problems, fmt.Sprintf("%d %% of the pods may be removed each %d s, with the runs in them.", policy.Value, policy.PeriodSeconds))
			}
		}
		for _, problem := range problems {
			found = append(found, finding.Finding{
				Object: name(hpa), Path: finding.Path{"spec", "behavior", "scaleDown", "policies"}, Problem: problem,
				Fix: "Remove autoscaling.behavior.scaleDown.policies: the default is one pod each 120 s.",
			})
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

func envFrom(objects chart.Objects) []finding.Finding {
	var found []finding.Finding
	for _, c := range containers(objects) {
		if c.isAgent() && len(c.EnvFrom) <= len(c.literals())/2 {
			found = append(found, c.finding(finding.Path{"env"}, fmt.Sprintf("sets %d variables individually: %s.", len(c.literals()), strings.Join(c.literals(), ", ")),
				"Move settings to config and credentials to a Secret; the container reads both with envFrom."))
		}
	}
	return found
}

// literals returns the names of the variables with a literal value, except those that the
// chart sets: an agent's config cannot have them.
func (c container) literals() []string {
	var names []string
	for _, variable := range c.Env {
		if variable.ValueFrom == nil && !slices.Contains([]string{"DRAIN_SECONDS", "MAX_RUN_SECONDS", "PORT"}, variable.Name) {
			names = append(names, variable.Name)
		}
	}
	return names
}

func pinnedImage(objects chart.Objects) []finding.Finding {
	var found []finding.Finding
	for _, c := range containers(objects) {
		if _, tag, digest := SplitImage(c.Image); tag == "" && digest == "" {
			found = append(found, c.finding(finding.Path{"image"}, fmt.Sprintf("has the image %q without a tag or digest: the running version changes without a release.", c.Image),
				"Set image.tag or image.digest. For an additional container, set its image."))
		}
	}
	return found
}

// SplitImage splits an image reference. The digest begins with its @; what the reference
// lacks is "".
func SplitImage(image string) (repository, tag, digest string) {
	if at := strings.Index(image, "@"); at >= 0 {
		image, digest = image[:at], image[at:]
	}
	last := strings.LastIndex(image, "/") + 1 // a colon before it precedes a port
	name, tag, _ := strings.Cut(image[last:], ":")
	return image[:last] + name, tag, digest
}

func disruptionBudget(objects chart.Objects) []finding.Finding {
	var found []finding.Finding
	budgets := chart.All[*policyv1.PodDisruptionBudget](objects)
	for _, workload := range workloads(objects) {
		least := leastPods(objects, workload)
		var selecting []*policyv1.PodDisruptionBudget
		for _, budget := range budgets {
			if selects(budget.Spec.Selector, workload.pod.Labels) {
				selecting = append(selecting, budget)
			}
		}
		if len(selecting) == 0 && least > 1 {
			found = append(found, finding.Finding{
				Object: name(workload.Object), Path: finding.Path{"spec", "selector"},
				Problem: "No PodDisruptionBudget selects its pods: maintenance may evict all of them at once.",
				Fix:     "Set podDisruptionBudget.enabled to true.",
			})
		}
		if len(selecting) > 1 {
			found = append(found, finding.Finding{
				Object: name(workload.Object), Path: finding.Path{"spec", "selector"},
				Problem: "Several PodDisruptionBudgets select its pods, and Kubernetes then refuses every eviction.",
				Fix:     "Keep one of them; extraObjects may have the other.",
			})
		}
		for _, budget := range selecting {
			if least > 0 && allowed(budget, least) < 1 {
				found = append(found, finding.Finding{
					Object: name(budget), Path: finding.Path{"spec"},
					Problem: fmt.Sprintf("It permits no eviction of %d pods: a drain of their nodes never ends.", least),
					Fix:     "Set podDisruptionBudget.minAvailable below the number of pods, or run more.",
				})
			}
		}
	}
	return found
}

// leastPods returns the smallest number of pods that a workload may have; 0 if that is
// not known.
func leastPods(objects chart.Objects, workload workload) int {
	for _, hpa := range chart.All[*autoscalingv2.HorizontalPodAutoscaler](objects) {
		if hpa.Spec.ScaleTargetRef.Name == workload.Name && hpa.Spec.MinReplicas != nil {
			return int(*hpa.Spec.MinReplicas)
		}
	}
	if workload.replicas == nil {
		return 0 // an autoscaler elsewhere may decide
	}
	return int(*workload.replicas)
}

// allowed returns how many of this number of healthy pods may be evicted, rounded
// as the disruption controller does.
func allowed(budget *policyv1.PodDisruptionBudget, pods int) int {
	if most := budget.Spec.MaxUnavailable; most != nil {
		count, _ := intstr.GetScaledValueFromIntOrPercent(most, pods, true) // the schema permits only numbers and percentages
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
