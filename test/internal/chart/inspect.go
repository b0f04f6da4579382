package chart

import (
	"errors"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/release"

	"example.com/ai-agent/test/internal/finding"
)

// Given returns the values that the options set, without the chart's own.
func (o Options) Given() (Map, error) { return o.values() }

// Violations returns how the values violate the schemas of the chart.
func (c *Chart) Violations(options Options) ([]finding.Finding, error) {
	given, err := options.values()
	if err != nil {
		return nil, err
	}
	_, err = c.valid(given)
	var invalid *SchemaError
	if errors.As(err, &invalid) {
		return invalid.findings(), nil
	}
	return nil, nil // RenderAnyway reports other errors
}

// Without returns the options with values from which some are removed.
func (o Options) Without(values []finding.Finding) (Options, error) {
	given, err := o.values()
	if err != nil {
		return o, err
	}
	given, err = Values{}.over(given) // a copy
	if err != nil {
		return o, err
	}
	for _, f := range values {
		remove(given, f.Path)
	}
	o.Files, o.Read, o.Set = nil, given, nil
	return o, nil
}

// remove removes what is at a path, if it exists. The entry of a list becomes null, so
// that the others keep their places.
func remove(part any, at finding.Path) {
	if len(at) == 0 {
		return
	}
	switch typed := part.(type) {
	case Map:
		if len(at) == 1 {
			delete(typed, at[0])
			return
		}
		remove(typed[at[0]], at[1:])
	case List:
		i, err := strconv.Atoi(at[0])
		if err == nil && i >= 0 && i < len(typed) && len(at) > 1 {
			remove(typed[i], at[1:])
		}
	}
}

// RuleFindings returns what the chart's rules find, also in values that violate its
// schema. The error is that of a template.
func (c *Chart) RuleFindings(options Options) ([]finding.Finding, error) {
	given, loaded, err := c.with(options)
	if err != nil {
		return nil, err
	}
	if err := chartutil.ProcessDependenciesWithMerge(loaded, given); err != nil {
		return nil, err
	}
	return ruleFindings(loaded, given, options)
}

// failing finds the template that an error of Helm is about.
var failing = regexp.MustCompile(`[\w./-]+/templates/[\w./-]+\.(?:yaml|yml|json|txt)`)

// RenderAnyway returns the manifest of values in which the chart's rules find errors,
// and a finding for each template that does not render, which it leaves out.
func (c *Chart) RenderAnyway(options Options) (manifest string, broken []finding.Finding) {
	var without []string
	for {
		rendered, err := c.releaseWithout(options, without)
		if err == nil {
			return text(rendered), broken
		}
		broken = append(broken, unrendered(err))
		template := failing.FindString(err.Error())
		if template == "" || slices.Contains(without, template) {
			return "", broken
		}
		without = append(without, template)
	}
}

// releaseWithout renders the chart without its gate and the named templates.
func (c *Chart) releaseWithout(options Options, templates []string) (*release.Release, error) {
	given, loaded, err := c.with(options)
	if err != nil {
		return nil, err
	}
	leaveOut(loaded, "", templates)
	return releaseOf(loaded, given, options)
}

// with returns the values of options and a new copy of the chart.
func (c *Chart) with(options Options) (given Map, loaded *chart.Chart, err error) {
	if given, err = options.values(); err != nil {
		return nil, nil, err
	}
	loaded, err = c.load()
	return given, loaded, err
}

// leaveOut removes the gate and the named templates from a chart in a folder.
func leaveOut(of *chart.Chart, folder string, names []string) {
	folder = path.Join(folder, of.Name())
	of.Templates = slices.DeleteFunc(of.Templates, func(template *chart.File) bool {
		return template.Name == gate || slices.Contains(names, folder+"/"+template.Name) || path.Base(template.Name) == "NOTES.txt"
	})
	for _, subchart := range of.Dependencies() {
		leaveOut(subchart, folder+"/charts", names)
	}
}

// Covers reports whether a finding is about a value, its section or a part of it.
func Covers(f finding.Finding, value finding.Path) bool {
	return f.Object == "" && len(f.Path) > 0 && len(value) > 0 &&
		(strings.HasPrefix(value.String()+".", f.Path.String()+".") || strings.HasPrefix(f.Path.String()+".", value.String()+"."))
}
