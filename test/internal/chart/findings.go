package chart

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"sigs.k8s.io/yaml"

	"example.com/ai-agent/test/internal/finding"
)

// The rules that are not the chart's own: values must meet the schema, and the
// templates must render.
var (
	SchemaRule = finding.Rule{ID: "values-schema", Title: "values meet the chart's schema", Source: "values.schema.json", Severity: finding.Error}
	RenderRule = finding.Rule{ID: "render", Title: "the templates render", Source: "Helm", Severity: finding.Error}
)

// gate is the template that fails a render with what the chart's rules find. In
// its place, other templates return the rules and the findings as data.
const (
	gate       = "templates/validation/gate.yaml"
	rulesFile  = "templates/validation/_rules.tpl"
	asFindings = `{{ include "ai-agent.findings" . }}`
	asRules    = `{{ include "ai-agent.rules" . }}`
)

// Findings returns what is wrong with the values: the violations of the schema,
// or else what the chart's rules find, or else that the templates do not render.
// The error says that the values cannot be read.
func (c *Chart) Findings(options Options) ([]finding.Finding, error) {
	_, findings, err := c.RenderWithFindings(options)
	return findings, err
}

// RenderWithFindings returns the manifest too, unless a finding is an error.
func (c *Chart) RenderWithFindings(options Options) (manifest string, findings []finding.Finding, err error) {
	findings, err = c.valueFindings(options)
	if err != nil || finding.HasErrors(findings) {
		return "", findings, err
	}
	manifest, err = c.Render(options)
	if err != nil {
		return "", append(findings, unrendered(err)), nil
	}
	return manifest, findings, nil
}

func (e *SchemaError) findings() []finding.Finding {
	var found []finding.Finding
	for _, violation := range e.Violations {
		found = append(found, finding.Finding{
			ID: SchemaRule.ID, Severity: SchemaRule.Severity, Path: violation.Path, Problem: violation.Message, Fix: violation.Fix,
		})
	}
	return found
}

func unrendered(err error) finding.Finding {
	return finding.Finding{
		ID: RenderRule.ID, Severity: RenderRule.Severity, Problem: templateError{err}.Error(),
		Fix: "Correct the value that the template reads; `helm show values` prints the defaults.",
	}
}

// valueFindings returns the violations of the schema, or else what the rules of
// each chart ai-agent find: this one, or those among its subcharts.
func (c *Chart) valueFindings(options Options) ([]finding.Finding, error) {
	given, err := options.values()
	if err != nil {
		return nil, err
	}
	if _, err := options.kubeVersion(); err != nil {
		return nil, err
	}
	loaded, err := c.valid(given)
	var invalid *SchemaError
	if errors.As(err, &invalid) {
		return invalid.findings(), nil
	}
	if err != nil {
		return []finding.Finding{unrendered(err)}, nil
	}
	found, err := ruleFindings(loaded, given, options)
	var broken templateError
	if errors.As(err, &broken) {
		return []finding.Finding{unrendered(broken.error)}, nil
	}
	return found, err
}

// templateError is an error of a template, which is about the values.
type templateError struct{ error }

// template is how Helm quotes one that it cannot parse: the whole object, a Secret too.
var template = regexp.MustCompile(`cannot parse template "(\\.|[^"\\])*"`)

// Error leaves out what may be a secret.
func (e templateError) Error() string {
	return template.ReplaceAllString(e.error.Error(), "cannot parse the template")
}

// ruleFindings returns what the rules of a loaded chart find, whose dependencies are
// resolved.
func ruleFindings(loaded *chart.Chart, given Map, options Options) ([]finding.Finding, error) {
	kube, err := options.kubeVersion()
	if err != nil {
		return nil, err
	}
	askOnly(loaded, asFindings)
	capabilities := chartutil.DefaultCapabilities.Copy()
	capabilities.KubeVersion = *kube
	capabilities.APIVersions = slices.Concat(capabilities.APIVersions, options.APIVersions)
	release := chartutil.ReleaseOptions{Name: cmp.Or(options.Release, Name), Namespace: "default", Revision: 1, IsInstall: true}
	answers, err := answers(loaded, given, release, capabilities)
	if err != nil {
		return nil, templateError{err}
	}
	return parse(answers)
}

// parse reads the findings of each template.
func parse(answers map[string]string) ([]finding.Finding, error) {
	var all []finding.Finding
	for _, template := range slices.Sorted(maps.Keys(answers)) {
		var found []finding.Finding
		decoder := json.NewDecoder(strings.NewReader(answers[template])) // not YAML, in which U+0085 ends a line
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&found); err != nil {
			return nil, fmt.Errorf("the findings of %s: %w", template, err)
		}
		for _, f := range found {
			if f.Severity.Rank() < 0 {
				return nil, fmt.Errorf("the finding %s of %s has the severity %q", f.ID, template, f.Severity)
			}
			f.Path = subchart(template).With(f.Path...)
			all = append(all, f)
		}
	}
	return all, nil
}

// subchart returns the path of the values of the chart that has a template,
// which is named by the folders that lead to it.
func subchart(template string) finding.Path {
	folder := strings.TrimSuffix(template, "/"+gate)
	return strings.Split(folder, "/charts/")[1:]
}

// askOnly replaces the gate of each chart ai-agent, which may have an alias, by a
// question. It drops the other templates that would render something.
func askOnly(of *chart.Chart, question string) {
	hasRules := slices.ContainsFunc(of.Templates, func(f *chart.File) bool { return f.Name == rulesFile })
	var kept []*chart.File
	for _, template := range of.Templates {
		switch {
		case template.Name == gate && hasRules:
			kept = append(kept, &chart.File{Name: gate, Data: []byte(question)})
		case strings.HasPrefix(path.Base(template.Name), "_"):
			kept = append(kept, template)
		}
	}
	of.Templates = kept
	for _, subchart := range of.Dependencies() {
		askOnly(subchart, question)
	}
}

// answers renders a chart of which only questions are left, by template.
func answers(loaded *chart.Chart, given Map, release chartutil.ReleaseOptions, capabilities *chartutil.Capabilities) (map[string]string, error) {
	values, err := chartutil.ToRenderValuesWithSchemaValidation(loaded, given, release, capabilities, true)
	if err != nil {
		return nil, err
	}
	rendered, err := engine.Render(loaded, values)
	maps.DeleteFunc(rendered, func(template, _ string) bool { return !strings.HasSuffix(template, "/"+gate) })
	return rendered, err
}

// Rules returns the rules of the chart ai-agent, sorted by ID.
func (c *Chart) Rules() ([]finding.Rule, error) {
	loaded, err := c.own()
	if err != nil || loaded == nil {
		return nil, err
	}
	askOnly(loaded, asRules)
	answers, err := answers(loaded, nil, chartutil.ReleaseOptions{Name: Name}, chartutil.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	var rules []finding.Rule
	for _, answer := range answers {
		var byID map[string]struct {
			Severity  finding.Severity
			Title     string
			Skippable bool
			Workload  bool // applies to each worker too
			Env       bool // applies to each schedule and job too
		}
		if err := yaml.UnmarshalStrict([]byte(answer), &byID); err != nil {
			return nil, fmt.Errorf("the rules of the chart: %w", err)
		}
		for id, rule := range byID {
			rules = append(rules, finding.Rule{ID: id, Title: rule.Title, Source: "the chart", Severity: rule.Severity, Skippable: rule.Skippable})
		}
	}
	slices.SortFunc(rules, func(a, b finding.Rule) int { return cmp.Compare(a.ID, b.ID) })
	return rules, nil
}

// own returns the chart ai-agent on its own: this one, or the first of that name
// among its subcharts, or nil.
func (c *Chart) own() (*chart.Chart, error) {
	loaded, err := c.load()
	if err != nil {
		return nil, err
	}
	found := named(loaded, Name)
	if found == nil || found == loaded {
		return found, nil
	}
	return loader.LoadFiles(buffered(found))
}

func named(of *chart.Chart, name string) *chart.Chart {
	if of.Name() == name {
		return of
	}
	for _, subchart := range of.Dependencies() {
		if found := named(subchart, name); found != nil {
			return found
		}
	}
	return nil
}

// File returns a file of the chart ai-agent, such as files/timeouts.yaml, or nil
// if it is missing.
func (c *Chart) File(name string) []byte {
	loaded, err := c.own()
	if err != nil || loaded == nil {
		return nil
	}
	for _, file := range loaded.Raw {
		if file.Name == name {
			return file.Data
		}
	}
	return nil
}
