package check

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/finding"
)

// timeoutsFile is the chart's table of annotations that carry timeouts.
const timeoutsFile = "files/timeouts.yaml"

// timeoutFormat is the form in which an annotation carries timeouts. The file has
// the meaning of each field.
type timeoutFormat struct {
	Unit       string
	Integer    bool
	Directives []string
	Attribute  string
	None       string
	Default    int
	Limit      int
}

// shortTimeouts finds the timeouts of proxies and load balancers that end before
// the longest run.
func shortTimeouts(formats map[string]timeoutFormat) func(chart.Objects) []finding.Finding {
	return func(objects chart.Objects) []finding.Finding {
		var found []finding.Finding
		run := runOf(objects)
		for _, ingress := range chart.All[*networkingv1.Ingress](objects) {
			found = append(found, shortAnnotations(name(ingress), ingress.Annotations, formats, run)...)
		}
		for _, service := range chart.All[*corev1.Service](objects) {
			found = append(found, shortAnnotations(name(service), service.Annotations, formats, run)...)
		}
		for _, route := range chart.All[*unstructured.Unstructured](objects) {
			if route.GetKind() == "HTTPRoute" {
				found = append(found, shortRoute(route, run)...)
			}
		}
		return found
	}
}

func shortAnnotations(object string, annotations map[string]string, formats map[string]timeoutFormat, run time.Duration) []finding.Finding {
	var found []finding.Finding
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		format, ok := formats[key]
		if !ok {
			continue
		}
		needed := run
		if limit := time.Duration(format.Limit) * time.Second; limit > 0 {
			needed = min(run, limit)
		}
		for _, value := range format.timeouts(annotations[key]) {
			if problem := tooShort(value, format.Unit, needed, run); problem != "" {
				found = append(found, finding.Finding{
					Object: object, Path: finding.Path{"metadata", "annotations", key},
					Problem: problem, Fix: "Set agent.maxRunSeconds, and remove the annotation: the chart derives it.",
				})
			}
		}
	}
	return found
}

// timeouts returns the durations in an annotation, as they are written.
func (f timeoutFormat) timeouts(annotation string) []string {
	switch {
	case len(f.Directives) > 0:
		var found []string
		directive := regexp.MustCompile(`(?:^|[;{}\n])\s*(?:` + strings.Join(f.Directives, "|") + `)\s([^;]*)`)
		for _, match := range directive.FindAllStringSubmatch(nginxText.ReplaceAllString(annotation, "${1}${2}"), -1) {
			found = append(found, strings.Trim(match[1], "\"' \t\r\n"))
		}
		return found
	case f.None != "" && annotation == f.None:
		return nil
	case f.Attribute != "":
		for attribute := range strings.SplitSeq(annotation, ",") {
			if value, ok := strings.CutPrefix(strings.TrimSpace(attribute), f.Attribute+"="); ok {
				return []string{value}
			}
		}
		return []string{strconv.Itoa(f.Default)}
	case f.Integer && !number.MatchString(annotation):
		return []string{strconv.Itoa(f.Default)}
	default:
		return []string{annotation}
	}
}

func shortRoute(route *unstructured.Unstructured, run time.Duration) []finding.Finding {
	var found []finding.Finding
	rules, _, _ := unstructured.NestedSlice(route.Object, "spec", "rules") // the schema checks the types
	for i, rule := range rules {
		fields, _ := rule.(map[string]any)
		timeouts, _, _ := unstructured.NestedStringMap(fields, "timeouts")
		for _, key := range slices.Sorted(maps.Keys(timeouts)) {
			problem := tooShort(timeouts[key], "s", run, run)
			if problem == "" || timeouts[key] == "0s" { // no timeout
				continue
			}
			found = append(found, finding.Finding{
				Object: name(route), Path: finding.Path{"spec", "rules", strconv.Itoa(i), "timeouts", key},
				Problem: problem, Fix: "Set agent.maxRunSeconds, and remove httpRoute.timeouts: the chart derives them.",
			})
		}
	}
	return found
}

// tooShort returns what is wrong with a timeout, or "".
func tooShort(value, unit string, needed, run time.Duration) string {
	timeout, ok := duration(value, unit)
	switch {
	case !ok:
		return fmt.Sprintf("%q is not a duration.", value)
	case timeout < needed:
		return fmt.Sprintf("The timeout %s interrupts runs, which may take %s.", value, run)
	default:
		return ""
	}
}

var (
	number   = regexp.MustCompile(`^[0-9]+$`)
	sequence = regexp.MustCompile(`^([0-9]+(us|ms|y|M|w|d|h|m|s))+$`)
	part     = regexp.MustCompile(`([0-9]+)(us|ms|y|M|w|d|h|m|s)`)
	// nginxText is a comment or a quoted text with more than one word, as in _timeouts.tpl.
	nginxText = regexp.MustCompile(`(?m)(^|[\s;{}])#.*$|("[^"\s;\\]*"|'[^'\s;\\]*')|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'`)
	units     = map[string]time.Duration{
		"us": time.Microsecond, "ms": time.Millisecond, "s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour,
		"w": 7 * 24 * time.Hour, "M": 30 * 24 * time.Hour, "y": 365 * 24 * time.Hour,
	}
)

// duration reads a duration such as 5m30s; a number alone has the given unit.
func duration(value, unit string) (time.Duration, bool) {
	value = strings.ReplaceAll(value, " ", "") // nginx permits them
	if number.MatchString(value) {
		value += unit
	}
	if !sequence.MatchString(value) {
		return 0, false
	}
	var total time.Duration
	for _, match := range part.FindAllStringSubmatch(value, -1) {
		count, err := strconv.ParseInt(match[1], 10, 32)
		if err != nil {
			return 0, false
		}
		total += time.Duration(count) * units[match[2]]
	}
	return total, true
}
