package check

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/finding"
)

const safeToEvict = "cluster-autoscaler.kubernetes.io/safe-to-evict"

// platformsFile is the chart's table of what ends a pod.
const platformsFile = "files/platforms.yaml"

// Bound is a row of the table of what ends a pod. The file has the meaning of each
// field.
type Bound struct {
	ID        string
	What      string
	Platforms []string
	Planned   bool
	By        string
	Seconds   *int
	Note      string
	Setting   string
	Source    string
}

// Platforms returns those that Judge knows.
func Platforms() []string { return []string{"gke", "eks", "aks", "karpenter", "bare"} }

// Bounds returns the chart's table of what ends a pod.
func Bounds(c *chart.Chart) ([]Bound, error) {
	var bounds []Bound
	if err := yaml.UnmarshalStrict(c.File(platformsFile), &bounds); err != nil {
		return nil, fmt.Errorf("%s of the chart: %w", platformsFile, err)
	}
	if len(bounds) == 0 {
		return nil, fmt.Errorf("this version of the chart does not have %s: use the validate command of its version", platformsFile)
	}
	return bounds, nil
}

// Judge adds a check for everything that ends a pod on a platform.
func (s *Set) Judge(platform string) error {
	if !slices.Contains(Platforms(), platform) {
		return fmt.Errorf("%q is not a platform: use one of %s", platform, strings.Join(Platforms(), ", "))
	}
	bounds, err := Bounds(s.chart)
	if err != nil {
		return err
	}
	for _, bound := range bounds {
		if slices.Contains(bound.Platforms, platform) {
			s.Checks = append(s.Checks, newRow("platform-"+bound.ID, bound.severity(), "a run should end in time when "+bound.What, platform, bound.judge))
		}
	}
	return nil
}

// severity is a warning for what waits: values can be made to fit. For the rest, a
// note says what a run may lose.
func (b Bound) severity() finding.Severity {
	if b.Planned && b.Seconds != nil {
		return finding.Warning
	}
	return finding.Info
}

// judge compares what the runs of each serving pod need with what the bound allows.
func (b Bound) judge(objects chart.Objects) []finding.Finding {
	var found []finding.Finding
	for _, workload := range workloads(objects) {
		pod := workload.pod
		agent := slices.IndexFunc(pod.Spec.Containers, func(c corev1.Container) bool { return c.Name == agentName })
		if agent < 0 || b.prevented(pod) {
			continue
		}
		needed := drainOf(pod.Spec.Containers[agent]) + runOf(objects)
		if b.allows(needed) {
			continue
		}
		found = append(found, finding.Finding{
			Object: name(workload.Object), Path: finding.Path{"spec", "template", "spec", "terminationGracePeriodSeconds"},
			Severity: b.severityFor(pod.Spec), Problem: b.problem(pod.Spec, needed), Fix: b.fix(pod.Spec),
		})
	}
	return found
}

func (b Bound) allows(needed time.Duration) bool {
	return b.Seconds != nil && needed <= time.Duration(*b.Seconds)*time.Second
}

// prevented is whether an annotation keeps the Cluster Autoscaler away.
func (b Bound) prevented(pod corev1.PodTemplateSpec) bool {
	return b.By == "cluster-autoscaler" && pod.Annotations[safeToEvict] == "false"
}

// severityFor is a warning for spot nodes if the pod may run on them.
func (b Bound) severityFor(pod corev1.PodSpec) finding.Severity {
	if b.By == "spot" && runsOnSpot(pod) {
		return finding.Warning
	}
	return b.severity()
}

func (b Bound) problem(pod corev1.PodSpec, needed time.Duration) string {
	if b.Seconds == nil {
		return fmt.Sprintf("When %s, a pod has its own grace period, %d s; but %s.", b.What, graceOf(pod), b.Note)
	}
	text := fmt.Sprintf("When %s, a pod has %d s, but its runs may need %d s", b.What, *b.Seconds, int(needed.Seconds()))
	if b.Note != "" {
		text += " (" + b.Note + ")"
	}
	return text + "."
}

func (b Bound) fix(pod corev1.PodSpec) string {
	switch {
	case b.Seconds == nil:
		return fmt.Sprintf("Leave it out, or set it to more than %d s.", graceOf(pod))
	case b.By == "cluster-autoscaler":
		return "Set disruption.eviction to OnUpgrade or null" + b.orSetting() + "."
	case b.By == "spot":
		return "Keep the pods on other nodes, or save the progress of a run (checkpoint) and resume it" + b.orSetting() + "."
	case b.Planned:
		return "Lower agent.maxRunSeconds" + b.orSetting() + ". Otherwise save the progress of a run (checkpoint) and resume it."
	default:
		return "Save the progress of a run (checkpoint) and resume it" + b.orSetting() + "."
	}
}

func (b Bound) orSetting() string {
	if b.Setting == "" {
		return ""
	}
	return ", or change " + strings.ReplaceAll(b.Setting, "`", "")
}

// graceOf is the grace period of a pod in seconds, which Kubernetes defaults to 30.
func graceOf(pod corev1.PodSpec) int64 {
	if pod.TerminationGracePeriodSeconds == nil {
		return 30
	}
	return *pod.TerminationGracePeriodSeconds
}

// drainOf is how long a container waits until it gets SIGTERM, as far as the pod says.
func drainOf(agent corev1.Container) time.Duration {
	if agent.Lifecycle == nil || agent.Lifecycle.PreStop == nil || agent.Lifecycle.PreStop.Sleep == nil {
		return 0
	}
	return time.Duration(agent.Lifecycle.PreStop.Sleep.Seconds) * time.Second
}

// spotKeys are the labels and taints of spot nodes, lowercase.
var spotKeys = []string{
	"cloud.google.com/gke-spot", "cloud.google.com/gke-preemptible", "kubernetes.azure.com/scalesetpriority",
	"karpenter.sh/capacity-type", "eks.amazonaws.com/capacitytype",
}

// onDemand are the values of these labels that other nodes have, lowercase.
var onDemand = []string{"on-demand", "on_demand", "regular", "false"}

func isSpot(key, value string) bool {
	return slices.Contains(spotKeys, strings.ToLower(key)) && !slices.Contains(onDemand, strings.ToLower(value))
}

// runsOnSpot is whether a pod selects spot nodes, or tolerates their taint.
func runsOnSpot(pod corev1.PodSpec) bool {
	for key, value := range pod.NodeSelector {
		if isSpot(key, value) {
			return true
		}
	}
	for _, expression := range requirements(pod.Affinity) {
		selects := func(value string) bool { return isSpot(expression.Key, value) }
		if expression.Operator == corev1.NodeSelectorOpIn && slices.ContainsFunc(expression.Values, selects) {
			return true
		}
		// Nodes of GKE that are not spot lack its labels.
		if expression.Operator == corev1.NodeSelectorOpExists && strings.HasPrefix(expression.Key, "cloud.google.com/") && selects("true") {
			return true
		}
	}
	return slices.ContainsFunc(pod.Tolerations, func(t corev1.Toleration) bool { return isSpot(t.Key, t.Value) })
}

// requirements returns what an affinity requires of a node.
func requirements(affinity *corev1.Affinity) []corev1.NodeSelectorRequirement {
	if affinity == nil || affinity.NodeAffinity == nil || affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return nil
	}
	var found []corev1.NodeSelectorRequirement
	for _, term := range affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
		found = append(found, term.MatchExpressions...)
	}
	return found
}
