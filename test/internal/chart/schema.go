package chart

import (
	"errors"
	"fmt"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"

	"example.com/ai-agent/test/internal/finding"
	"example.com/ai-agent/test/internal/schema"
)

// Violation is one way in which values violate the schema of a chart.
type Violation = schema.Violation

// SchemaError has every violation of the schemas of a chart and its subcharts.
// Its text is Helm's.
type SchemaError struct {
	Violations []Violation
	text       strings.Builder
}

func (e *SchemaError) Error() string {
	return "values don't meet the specifications of the schema(s) in the following chart(s):\n" + strings.TrimSuffix(e.text.String(), "\n")
}

// schemaURL is what Helm calls a chart's schema.
const schemaURL = "file:///values.schema.json"

// compile compiles the schemas of a chart and its subcharts.
func (c *Chart) compile(loaded *chart.Chart) error {
	if text := loaded.Schema; text != nil && c.schemas[string(text)] == nil {
		compiled, err := schema.Compile(schemaURL, text)
		if err != nil {
			return fmt.Errorf("values.schema.json of the chart %s: %w", loaded.Name(), err)
		}
		c.schemas[string(text)] = compiled
	}
	for _, subchart := range loaded.Dependencies() {
		if err := c.compile(subchart); err != nil {
			return err
		}
	}
	return nil
}

// valid returns the chart with its enabled dependencies, or a *SchemaError if the
// values violate a schema.
func (c *Chart) valid(given Map) (*chart.Chart, error) {
	loaded, err := c.load()
	if err != nil {
		return nil, err
	}
	if err := chartutil.ProcessDependenciesWithMerge(loaded, given); err != nil {
		return nil, err
	}
	merged, err := chartutil.CoalesceValues(loaded, given)
	if err != nil {
		return nil, err
	}
	invalid := &SchemaError{}
	if err := c.violations(loaded, merged.AsMap(), nil, invalid); err != nil {
		return nil, err
	}
	if len(invalid.Violations) > 0 {
		return nil, invalid
	}
	return loaded, nil
}

// violations collects what Helm would refuse, with the paths as seen from the
// chart at the top.
func (c *Chart) violations(of *chart.Chart, values Map, at finding.Path, into *SchemaError) error {
	if of.Schema != nil {
		if err := c.schemaViolations(of, values, at, into); err != nil {
			return err
		}
	}
	for _, subchart := range of.Dependencies() {
		its, _ := values[subchart.Name()].(Map)
		if its == nil {
			continue
		}
		if err := c.violations(subchart, its, at.With(subchart.Name()), into); err != nil {
			return err
		}
	}
	return nil
}

func (c *Chart) schemaViolations(of *chart.Chart, values Map, at finding.Path, into *SchemaError) error {
	err := c.schemas[string(of.Schema)].Validate(values)
	var invalid *schema.Error
	if !errors.As(err, &invalid) {
		return err
	}
	fmt.Fprintf(&into.text, "%s:\n%s\n", of.Name(), strings.TrimPrefix(err.Error(), "jsonschema validation failed with '"+schemaURL+"#'\n"))
	for _, violation := range invalid.Violations {
		violation.Path = at.With(violation.Path...)
		into.Violations = append(into.Violations, violation)
	}
	return nil
}
