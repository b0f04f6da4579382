package check

import (
	"context"
	"fmt"
	"strconv"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/yaml"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/finding"
)

// longRun is the specification's shortest timeout of a proxy and its shortest
// scale-down window.
const longRun = 300 * time.Second

// runOf returns how long a run may take: the time that the chart tells the agent,
// or that of the specification.
func runOf(objects chart.Objects) time.Duration {
	for _, c := range containers(objects) {
		for _, variable := range c.Env {
			if seconds, err := strconv.Atoi(variable.Value); err == nil && variable.Name == "MAX_RUN_SECONDS" {
				return time.Duration(seconds) * time.Second
			}
		}
	}
	return longRun
}

// pitfalls are the rows of the specification's table "Common pitfalls", a check
// for each. Two read tables of the chart.
func pitfalls(c *chart.Chart) ([]Check, error) {
	timeouts, err := fromFile(c, timeoutsFile, func(formats map[string]timeoutFormat) (rowRun, error) {
		return shortTimeouts(formats), nil
	})
	if err != nil {
		return nil, err
	}
	credentials, err := fromFile(c, credentialsFile, func(patterns credentialPatterns) (rowRun, error) {
		return secretsInPlainText(patterns)
	})
	if err != nil {
		return nil, err
	}
	row := func(id string, severity finding.Severity, title string, run rowRun) Check {
		return newRow("pitfall-"+id, severity, title, "common pitfalls of agents", run)
	}
	return []Check{
		row("memory-limit", finding.Warning, "an agent has a memory limit of at least 1Gi", memoryLimit),
		row("readiness", finding.Warning, "readiness and liveness check different things, so that a lost dependency makes a pod unready", readiness),
		row("latest-tag", finding.Error, "no image has the tag latest", latestTag).with("image-tag-latest", "sidecar-image-tag", "helm-test-image-latest"),
		row("short-timeouts", finding.Error, "proxies and load balancers wait as long as a run may take", timeouts),
		row("scale-down-window", finding.Error, "an autoscaler waits at least 300 s before it removes a pod", scaleDownWindow),
		row("secrets-in-configmaps", finding.Error, "no ConfigMap, command, environment, annotation or label has a credential", credentials).
			with("config-credential", "credential-in-plain-text"),
	}, nil
}

// rowRun is the part of a check that differs between the rows of a table.
type rowRun func(chart.Objects) []finding.Finding

func newRow(id string, severity finding.Severity, title, source string, run rowRun) Check {
	return Check{
		Rule: finding.Rule{ID: id, Title: title, Source: source, Severity: severity},
		run:  func(_ context.Context, subject Subject) ([]finding.Finding, error) { return run(subject.Objects), nil },
	}
}

// with returns the check with its twins among the rules of the chart.
func (c Check) with(twins ...string) Check {
	c.twins = twins
	return c
}

// fromFile makes a check of a table in the chart. In a chart that has no such file,
// or an older form of it, the check says so.
func fromFile[T any](c *chart.Chart, file string, run func(T) (rowRun, error)) (rowRun, error) {
	text := c.File(file)
	if text == nil {
		return unread(fmt.Sprintf("this version of the chart does not have %s", file)), nil
	}
	var table T
	if err := yaml.UnmarshalStrict(text, &table); err != nil {
		return unread(fmt.Sprintf("this version of the chart has another form of %s", file)), nil
	}
	made, err := run(table)
	if err != nil {
		return nil, fmt.Errorf("%s of the chart: %w", file, err)
	}
	return made, nil
}

// unread makes a check that says why it could not be made.
func unread(why string) rowRun {
	return func(chart.Objects) []finding.Finding {
		return []finding.Finding{{
			Severity: finding.Info, Problem: "Not checked: " + why + ".",
			Fix: "Use the validate command of the same version as the chart.",
		}}
	}
}

func memoryLimit(objects chart.Objects) []finding.Finding {
	least := resource.MustParse("1Gi") // of an agent that only calls APIs
	var found []finding.Finding
	for _, c := range containers(objects) {
		limit := c.Resources.Limits.Memory()
		if c.isAgent() && !limit.IsZero() && limit.Cmp(least) < 0 {
			found = append(found, c.finding(finding.Path{"resources", "limits", "memory"},
				fmt.Sprintf("has a memory limit of %s, which is too small for an agent's context: it would be OOMKilled.", limit),
				"Measure with `kubectl top pods` under load, or remove resources.limits.memory: agent.type sets it."))
		}
	}
	return found
}

func readiness(objects chart.Objects) []finding.Finding {
	var found []finding.Finding
	for _, c := range containers(objects) {
		if !c.isAgent() || c.ReadinessProbe == nil || c.LivenessProbe == nil {
			continue
		}
		ready, alive := c.ReadinessProbe.HTTPGet, c.LivenessProbe.HTTPGet
		if ready != nil && alive != nil && ready.Path == alive.Path && ready.Port == alive.Port {
			found = append(found, c.finding(finding.Path{"readinessProbe", "httpGet", "path"},
				fmt.Sprintf("has %s for both readiness and liveness: a lost dependency restarts the pod, or is not noticed.", ready.Path),
				"Check dependencies in readinessProbe (/ready) and the process in livenessProbe (/health)."))
		}
	}
	return found
}

func latestTag(objects chart.Objects) []finding.Finding {
	var found []finding.Finding
	for _, c := range containers(objects) {
		if _, tag, digest := SplitImage(c.Image); tag == "latest" && digest == "" {
			found = append(found, c.finding(finding.Path{"image"},
				"has an image with the tag latest, which changes without a release; a rollback cannot restore the previous one.",
				"Set image.tag to a version. For an additional container, set its image."))
		}
	}
	return found
}

func scaleDownWindow(objects chart.Objects) []finding.Finding {
	var found []finding.Finding
	for _, hpa := range chart.All[*autoscalingv2.HorizontalPodAutoscaler](objects) {
		window := scaleDown(hpa).StabilizationWindowSeconds // the default is 300
		if window != nil && time.Duration(*window)*time.Second < longRun {
			found = append(found, finding.Finding{
				Object: name(hpa), Path: finding.Path{"spec", "behavior", "scaleDown", "stabilizationWindowSeconds"},
				Problem: fmt.Sprintf("The window of %d s is shorter than a run: every lull removes pods that the next minute needs.", *window),
				Fix:     "Remove autoscaling.behavior.scaleDown.stabilizationWindowSeconds, or set at least 300.",
			})
		}
	}
	return found
}
