package check

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"example.com/ai-agent/test/internal/chart"
)

// longRun is the seed's least timeout of a proxy and its least scale-down window.
const longRun = 300 * time.Second

// runOf returns how long a run may take: what the chart tells the agent, or else
// the seed's.
func runOf(objects chart.Objects) time.Duration {
	for _, config := range chart.All[*corev1.ConfigMap](objects) {
		if seconds, err := strconv.Atoi(config.Data["MAX_RUN_SECONDS"]); err == nil {
			return time.Duration(seconds) * time.Second
		}
	}
	return longRun
}

// pitfalls are the rows of the seed's table "Common pitfalls", one check each.
func pitfalls() []Check {
	row := func(id string, severity Severity, title string, run func(chart.Objects) []Finding) Check {
		return seedRow("pitfall-"+id, severity, title, "the seed, Common pitfalls", run)
	}
	return []Check{
		row("memory-limit", Warning, "an agent's memory limit is no less than the smallest of the seed's", memoryLimit),
		row("readiness", Error, "readiness asks for more than liveness, so that a lost dependency takes a pod out", readiness),
		row("latest-tag", Error, "no image is latest", latestTag),
		row("short-timeouts", Error, "proxies in front wait as long as a run may take", shortTimeouts),
		row("scale-down-window", Error, "an autoscaler looks back 300 s or more before it takes a pod away", scaleDownWindow),
		row("secrets-in-configmaps", Error, "no ConfigMap holds a credential", secretsInConfigMaps),
	}
}

func memoryLimit(objects chart.Objects) []Finding {
	least := resource.MustParse("1Gi") // of an agent that only calls APIs
	var found []Finding
	for _, c := range containers(objects) {
		limit := c.Resources.Limits.Memory()
		if c.isAgent() && !limit.IsZero() && limit.Cmp(least) < 0 {
			found = append(found, c.finding("resources.limits.memory", fmt.Sprintf("%s is little for an agent's context: it will be OOMKilled", limit),
				"Profile it with `kubectl top pods` under load, or leave resources.limits.memory to agent.type."))
		}
	}
	return found
}

func readiness(objects chart.Objects) []Finding {
	var found []Finding
	for _, c := range containers(objects) {
		if !c.isAgent() || c.ReadinessProbe == nil || c.LivenessProbe == nil {
			continue
		}
		ready, alive := c.ReadinessProbe.HTTPGet, c.LivenessProbe.HTTPGet
		if ready != nil && alive != nil && ready.Path == alive.Path && ready.Port == alive.Port {
			found = append(found, c.finding("readinessProbe.httpGet.path", fmt.Sprintf("%s is what liveness asks too: a lost dependency restarts the pod, or stays unseen", ready.Path),
				"Ask /ready for dependencies in readinessProbe, and /health for the process in livenessProbe."))
		}
	}
	return found
}

func latestTag(objects chart.Objects) []Finding {
	var found []Finding
	for _, c := range containers(objects) {
		if tag, digest := imageVersion(c.Image); tag == "latest" && !digest {
			found = append(found, c.finding("image", "latest changes without a release, and no rollback brings the old one back",
				"Set image.tag to a version; of a container of your own, its image."))
		}
	}
	return found
}

// timeoutAnnotations hold how long a controller waits, each with its unit where
// a number has none.
var timeoutAnnotations = map[string]string{
	"nginx.ingress.kubernetes.io/proxy-read-timeout": "s",
	"nginx.ingress.kubernetes.io/proxy-send-timeout": "s",
	"haproxy.org/timeout-server":                     "ms",
	"haproxy-ingress.github.io/timeout-server":       "ms",
}

func shortTimeouts(objects chart.Objects) []Finding {
	var found []Finding
	for _, ingress := range chart.All[*networkingv1.Ingress](objects) {
		for _, key := range slices.Sorted(maps.Keys(timeoutAnnotations)) {
			value, ok := ingress.Annotations[key]
			if !ok {
				continue
			}
			if finding := shortTimeout(value, timeoutAnnotations[key], runOf(objects)); finding != nil {
				finding.Object, finding.Field = name(ingress), "metadata.annotations."+key
				finding.Fix = "Set agent.maxRunSeconds and leave the annotation to the chart."
				found = append(found, *finding)
			}
		}
	}
	for _, route := range chart.All[*unstructured.Unstructured](objects) {
		if route.GetKind() == "HTTPRoute" {
			found = append(found, shortRoute(route, runOf(objects))...)
		}
	}
	return found
}

func shortRoute(route *unstructured.Unstructured, run time.Duration) []Finding {
	var found []Finding
	rules, _, _ := unstructured.NestedSlice(route.Object, "spec", "rules") // the schema has the types
	for i, rule := range rules {
		timeouts, _, _ := unstructured.NestedStringMap(rule.(map[string]any), "timeouts")
		for _, key := range slices.Sorted(maps.Keys(timeouts)) {
			if finding := shortTimeout(timeouts[key], "s", run); finding != nil && timeouts[key] != "0s" {
				finding.Object, finding.Field = name(route), fmt.Sprintf("spec.rules[%d].timeouts.%s", i, key)
				finding.Fix = "Set agent.maxRunSeconds and leave httpRoute.timeouts to the chart."
				found = append(found, *finding)
			}
		}
	}
	return found
}

// shortTimeout returns what is wrong with a timeout, or nil.
func shortTimeout(value, unit string, run time.Duration) *Finding {
	duration := value
	if days, err := strconv.Atoi(strings.TrimSuffix(value, "d")); err == nil && strings.HasSuffix(value, "d") {
		duration = fmt.Sprint(24*days, "h") // HAProxy's
	}
	if _, err := strconv.Atoi(value); err == nil {
		duration += unit
	}
	timeout, err := time.ParseDuration(duration)
	if err != nil {
		return &Finding{Problem: fmt.Sprintf("%q is no duration", value)}
	}
	if timeout < run {
		return &Finding{Problem: fmt.Sprintf("%s cuts runs, which may take %s", value, run)}
	}
	return nil
}

func scaleDownWindow(objects chart.Objects) []Finding {
	var found []Finding
	for _, hpa := range chart.All[*autoscalingv2.HorizontalPodAutoscaler](objects) {
		window := scaleDown(hpa).StabilizationWindowSeconds // unset, it is 300
		if window != nil && time.Duration(*window)*time.Second < longRun {
			found = append(found, Finding{
				Object: name(hpa), Field: "spec.behavior.scaleDown.stabilizationWindowSeconds",
				Problem: fmt.Sprintf("%d s is less than a run takes: a lull takes pods away that the next minute needs", *window),
				Fix:     "Leave autoscaling.behavior.scaleDown.stabilizationWindowSeconds to the chart, or set 300 or more.",
			})
		}
	}
	return found
}

var (
	// The guard's, but line by line: a ConfigMap may hold whole files.
	credentialName  = regexp.MustCompile(`(?i)(^|_)(KEY|TOKEN|SECRET|PASS|PASSWORD|PASSWD|CREDENTIALS?)$`)
	credentialValue = regexp.MustCompile(`(?m)(^|=)(sk|lsv2|gh[opsu]|github_pat|glpat|hf|xox[abp])[-_]|(^|=)(AKIA|AIza)[0-9A-Za-z]|://[^/@:\s]*:[^/@\s]+@|[?&](password|token|key)=|-----BEGIN .*PRIVATE KEY`)
)

func secretsInConfigMaps(objects chart.Objects) []Finding {
	var found []Finding
	for _, config := range chart.All[*corev1.ConfigMap](objects) {
		for _, key := range slices.Sorted(maps.Keys(config.Data)) {
			value := config.Data[key]
			if strings.TrimSpace(value) != "" && (credentialName.MatchString(key) || credentialValue.MatchString(value)) {
				found = append(found, Finding{
					Object: name(config), Field: "data." + key,
					Problem: "it looks like a credential, and whoever may read the namespace reads it",
					Fix:     "Move it to a Secret and name that in secret.existingSecret.",
				})
			}
		}
	}
	return found
}
