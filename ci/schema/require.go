package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"slices"

	"sigs.k8s.io/yaml"
)

// require adds to the chart's schema that no value may be missing which has a
// default that the templates count on: helm takes a value that is null away. What
// is empty by default, and what lies in a map of any keys, may be null.
func require(schemaFile, valuesFile string) error {
	var schema, values map[string]any
	for file, into := range map[string]*map[string]any{schemaFile: &schema, valuesFile: &values} {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := yaml.Unmarshal(data, into); err != nil {
			return err
		}
	}
	requireDefaults(schema, values)
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(schema); err != nil {
		return err
	}
	return os.WriteFile(schemaFile, out.Bytes(), 0o644)
}

func requireDefaults(schema, values map[string]any) {
	properties, _ := schema["properties"].(map[string]any)
	required, _ := schema["required"].([]any)
	if schema["additionalProperties"] != false {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		property, _ := properties[name].(map[string]any)
		section, isSection := values[name].(map[string]any)
		requireDefaults(property, section)
		kinds, _ := property["type"].([]any)
		if isSection && property["properties"] != nil || isScalar(values[name]) && !slices.Contains(kinds, any("null")) {
			required = append(required, name)
		}
	}
	if required != nil {
		schema["required"] = required
	}
}

// isScalar reports whether a default is a single value that says something.
func isScalar(value any) bool {
	switch value := value.(type) {
	case string:
		return value != ""
	case bool, float64:
		return true
	}
	return false
}
