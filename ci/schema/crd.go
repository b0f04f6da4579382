package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// customResource is the part of a CustomResourceDefinition that describes its
// objects.
type customResource struct {
	Spec struct {
		Group string
		Names struct{ Kind string }

		Versions []struct {
			Name   string
			Served bool
			Schema struct {
				OpenAPIV3Schema map[string]any
			}
		}
	}
}

// writeCustom writes a schema for each served version of a CustomResourceDefinition.
func writeCustom(file, folder string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var crd customResource
	if err := yaml.Unmarshal(data, &crd); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	group, _, _ := strings.Cut(crd.Spec.Group, ".")
	for _, version := range crd.Spec.Versions {
		if !version.Served {
			continue
		}
		schema := version.Schema.OpenAPIV3Schema
		if schema == nil {
			return fmt.Errorf("%s: the version %s has no schema", file, version.Name)
		}
		tightenCustom(schema)
		schema["$comment"] = fromCustom
		data, err := json.Marshal(schema)
		if err != nil {
			return err
		}
		name := strings.ToLower(crd.Spec.Names.Kind) + "-" + group + "-" + version.Name + ".json"
		if err := os.WriteFile(filepath.Join(folder, name), append(data, '\n'), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// tightenCustom turns the schema in a CustomResourceDefinition into a JSON Schema: it
// removes what only Kubernetes reads, and refuses unknown fields.
func tightenCustom(schema map[string]any) {
	if schema["x-kubernetes-int-or-string"] == true {
		schema["type"] = []string{"string", "integer"}
		delete(schema, "anyOf")
	}
	if kind, ok := schema["type"].(string); ok && schema["nullable"] == true {
		schema["type"] = []string{kind, "null"}
	}
	properties, named := schema["properties"].(map[string]any)
	if named && schema["additionalProperties"] == nil && schema["x-kubernetes-preserve-unknown-fields"] != true {
		schema["additionalProperties"] = false
	}
	for key := range schema {
		if strings.HasPrefix(key, "x-kubernetes-") || slices.Contains([]string{"default", "description", "format", "nullable"}, key) {
			delete(schema, key)
		}
	}
	for _, property := range properties {
		tightenCustom(property.(map[string]any))
	}
	for _, key := range []string{"items", "additionalProperties"} {
		if inner, ok := schema[key].(map[string]any); ok {
			tightenCustom(inner)
		}
	}
}
