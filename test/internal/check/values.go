package check

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"example.com/ai-agent/test/internal/chart"
)

// The steps before any check can be made. They are listed like checks.
var (
	schemaStep = Check{ID: "values-schema", Title: "values keep the chart's schema", Source: "values.schema.json", Severity: Error}
	guardStep  = Check{ID: "values-guard", Title: "values do not contradict each other, and none would cut a run", Source: "templates/_guards.tpl", Severity: Error}
	renderStep = Check{ID: "render", Title: "the templates render", Source: "helm", Severity: Error}
	decodeStep = Check{ID: "decode", Title: "objects decode strictly: no unknown field, no key given twice", Source: "k8s.io/api", Severity: Error}
)

// Steps are what Render looks at.
func Steps() []Check { return []Check{schemaStep, guardStep, renderStep, decodeStep} }

// ReadValues says in one line why a file cannot be a values file of the chart.
func ReadValues(c *chart.Chart, file string) error {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is not there: name a values file by its path", file)
	}
	if err != nil {
		return fmt.Errorf("%w: name a values file that you may read", err)
	}
	var values map[string]any
	if err := yaml.UnmarshalStrict(data, &values); err != nil { // helm drops the first of two equal keys in silence
		return fmt.Errorf("%s is no values file: %s", file, strings.ReplaceAll(err.Error(), "\n", " "))
	}
	documents, err := chart.Documents(data)
	if err != nil {
		return err
	}
	if len(documents) > 1 {
		return fmt.Errorf("%s has %d YAML documents, of which helm reads the first: write them as one", file, len(documents))
	}
	if values["apiVersion"] != nil && values["kind"] != nil {
		return fmt.Errorf("%s is a manifest of kind %v, not a values file", file, values["kind"])
	}
	defaults, err := c.Defaults()
	if err != nil {
		return err
	}
	given := slices.Sorted(maps.Keys(values))
	known := func(key string) bool { _, ok := defaults[key]; return ok }
	if len(given) > 0 && !slices.ContainsFunc(given, known) {
		return fmt.Errorf("%s is for another chart: it has no key of this one, but %s", file, strings.Join(given, ", "))
	}
	return nil
}

// Render renders a chart and decodes what came out, or says what is wrong with
// the values.
func Render(c *chart.Chart, options chart.Options) (Subject, []Finding, error) {
	manifest, err := c.Render(options)
	if err != nil {
		findings, err := refused(c, err)
		return Subject{}, findings, err
	}
	objects, err := chart.Decode(manifest)
	if err != nil {
		problem, _, _ := strings.Cut(err.Error(), " in:\n") // without the object: it may be long
		return Subject{}, []Finding{{
			Check: decodeStep.ID, Severity: decodeStep.Severity, Problem: problem,
			Fix: "Look at extraObjects and the values that are handed on as they are.",
		}}, nil
	}
	return Subject{Manifest: manifest, Objects: objects}, nil, nil
}

var (
	schemaLine = regexp.MustCompile(`(?m)^\s*- at '([^']*)': (.*)$`)
	guardLine  = regexp.MustCompile(`execution error at \([^)]*\): (.*)`)
)

// refused turns helm's error into findings.
func refused(c *chart.Chart, err error) ([]Finding, error) {
	if guard := guardLine.FindStringSubmatch(err.Error()); guard != nil {
		problem, fix, _ := strings.Cut(guard[1], ". ")
		return []Finding{{Check: guardStep.ID, Severity: guardStep.Severity, Problem: problem, Fix: fix}}, nil
	}
	defaults, loadErr := c.Defaults()
	if loadErr != nil {
		return nil, loadErr
	}
	var findings []Finding
	for _, line := range schemaLine.FindAllStringSubmatch(err.Error(), -1) {
		path := field(line[1])
		findings = append(findings, Finding{
			Check: schemaStep.ID, Severity: schemaStep.Severity, Field: path, Problem: line[2], Fix: known(defaults, path),
		})
	}
	if findings == nil {
		findings = []Finding{{Check: renderStep.ID, Severity: renderStep.Severity, Problem: err.Error(), Fix: "Compare your values with `helm show values`."}}
	}
	return findings, nil
}

// known tells which keys there are where a wrong one stands.
func known(defaults map[string]any, path string) string {
	here := any(defaults)
	for name := range strings.SplitSeq(path, ".") {
		if values, ok := here.(map[string]any); ok && path != "" {
			here = values[name]
		}
	}
	if values, ok := here.(map[string]any); ok && len(values) > 0 {
		return "Known here: " + strings.Join(slices.Sorted(maps.Keys(values)), ", ") + "."
	}
	return "Compare it with `helm show values` and the chart's README."
}
