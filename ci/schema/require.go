package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"slices"

	"sigs.k8s.io/yaml"
)

// complete adds to the chart's schema what values.yaml and Helm imply. A value must
// not be missing if it has a default on which the templates rely: Helm removes a value
// that is null. Values that are empty by default, and entries of a map with any keys,
// may be null.
func complete(schemaFile, valuesFile string) error {
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
	schema["$comment"] = fromValues
	setByHelm(schema)
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

// setByHelm adds the keys that the values of a subchart have: global, which Helm sets,
// and enabled, which is the usual condition of a dependency.
func setByHelm(schema map[string]any) {
	properties, ok := schema["properties"].(map[string]any)
	if !ok {
		return
	}
	properties["enabled"] = map[string]any{"type": "boolean"}
	properties["global"] = map[string]any{"type": "object", "additionalProperties": true}
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

// isScalar reports whether a default is a single value that is not empty.
func isScalar(value any) bool {
	switch value := value.(type) {
	case string:
		return value != ""
	case bool, float64:
		return true
	}
	return false
}
