package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

type (
	object = map[string]any
	list   = []any
)

// openAPI writes an OpenAPI document with every definition that the command takes.
// They are empty objects, except for those given.
func openAPI(t *testing.T, given object) string {
	t.Helper()
	pod := object{}
	for _, field := range notInPodSpec {
		pod[field] = object{"type": "string"}
	}
	pod["hostname"] = object{"type": "string"}
	pod["memory"] = object{"$ref": "#/definitions/io.k8s.apimachinery.pkg.api.resource.Quantity"}
	definitions := object{}
	for _, name := range append(roots, kinds...) {
		definitions[name] = object{"type": "object"}
	}
	definitions[core+"PodSpec"] = object{"type": "object", "required": list{"containers"}, "properties": pod}
	definitions["io.k8s.apimachinery.pkg.api.resource.Quantity"] = object{"type": "string"}
	for name, definition := range given {
		if definition == nil {
			delete(definitions, name)
			continue
		}
		definitions[name] = definition
	}
	return write(t, object{"definitions": definitions})
}

func write(t *testing.T, content any) string {
	t.Helper()
	text, err := yaml.Marshal(content)
	require.NoError(t, err)
	text, err = yaml.YAMLToJSON(text)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "fixture.json")
	require.NoError(t, os.WriteFile(file, text, 0o600))
	return file
}

func readJSON(t *testing.T, elem ...string) object {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(elem...))
	require.NoError(t, err)
	var content object
	require.NoError(t, json.Unmarshal(text, &content))
	return content
}

// accepts reports whether a definition in a schema accepts a value.
func accepts(t *testing.T, schema object, fragment string, value any) bool {
	t.Helper()
	text, err := json.Marshal(schema)
	require.NoError(t, err)
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	compiler := jsonschema.NewCompiler()
	require.NoError(t, compiler.AddResource("file:///a.json", parsed))
	compiled, err := compiler.Compile("file:///a.json" + fragment)
	require.NoError(t, err)
	return compiled.Validate(value) == nil
}

func valuesSchema(t *testing.T, given object) object {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, printValues(openAPI(t, given), &out))
	var schema object
	require.NoError(t, json.Unmarshal(out.Bytes(), &schema))
	return schema
}

func TestValues(t *testing.T) {
	t.Parallel()
	schema := valuesSchema(t, object{
		core + "Volume": object{"type": "object", "required": list{"name"}, "properties": object{
			"name": object{"type": "string"}, "size": object{"$ref": "#/definitions/" + core + "Size"},
		}},
		core + "Size":    object{"type": "string", "format": "int-or-string"},
		core + "Unused":  object{"type": "object"},
		core + "EnvVar":  object{"type": "object", "additionalProperties": object{"type": "string"}},
		core + "Probe":   object{"type": "array", "items": object{"$ref": "#/definitions/" + core + "Volume"}},
		core + "Unasked": object{"type": "string"},
	})
	assert.Equal(t, fromKubernetes, schema["$comment"])
	definitions := schema["$defs"].(object)
	assert.NotContains(t, definitions, "Unused")
	for name, tc := range map[string]struct {
		definition string
		value      any
		accepted   bool
	}{
		"an unknown field":                     {"Volume", object{"name": "a", "nmae": "a"}, false},
		"a missing field":                      {"Volume", object{"size": 1}, false},
		"a reference: a number for either":     {"Volume", object{"name": "a", "size": 1}, true},
		"a reference: a string for either":     {"Volume", object{"name": "a", "size": "10%"}, true},
		"a reference: neither":                 {"Volume", object{"name": "a", "size": true}, false},
		"an entry of a list":                   {"Probe", list{object{"name": "a"}}, true},
		"a bad entry of a list":                {"Probe", list{object{}}, false},
		"any key of a map":                     {"EnvVar", object{"any": "a"}, true},
		"a bad value of a map":                 {"EnvVar", object{"any": 1}, false},
		"a field of podSpec":                   {"PodSpec", object{"hostname": "a"}, true},
		"podSpec without what the chart sets":  {"PodSpec", object{}, true},
		"a quantity":                           {"Quantity", "1.5Gi", true},
		"a quantity as a number":               {"Quantity", 2, true},
		"no quantity":                          {"Quantity", nil, false},
		"no amount, to remove a default":       {"AgentResources", object{"limits": object{"cpu": nil}}, true},
		"a bad amount":                         {"AgentResources", object{"limits": object{"cpu": "2 Gi"}}, false},
		"a quantity with a space":              {"Quantity", "2 Gi", false},
		"a quantity with an unknown unit":      {"Quantity", "2G1", false},
		"a quantity of too many digits":        {"Quantity", strings.Repeat("1", 19), false},
		"no affinity, for the chart's default": {"Affinity", nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, tc.accepted, accepts(t, schema, "#/$defs/"+tc.definition, tc.value))
		})
	}
}

func TestPodSpecRefusesWhatTheChartSets(t *testing.T) {
	t.Parallel()
	schema := valuesSchema(t, nil)
	for _, field := range notInPodSpec {
		assert.False(t, accepts(t, schema, "#/$defs/PodSpec", object{field: "a"}), field)
	}
}

// The file in the chart permits in podSpec exactly what Kubernetes' own type has,
// except for the fields in notInPodSpec.
func TestPodSpecOfTheChartIsKubernetesOwn(t *testing.T) {
	t.Parallel()
	file := readJSON(t, "..", "..", "charts", "ai-agent", "schema", "kubernetes.json")
	permitted := file["$defs"].(object)["PodSpec"].(object)["properties"].(object)
	all := append([]string{}, notInPodSpec...)
	for field := range permitted {
		all = append(all, field)
	}
	var fields []string
	for i := range reflect.TypeFor[corev1.PodSpec]().NumField() {
		name, _, _ := strings.Cut(reflect.TypeFor[corev1.PodSpec]().Field(i).Tag.Get("json"), ",")
		fields = append(fields, name)
	}
	assert.ElementsMatch(t, fields, all)
}

func TestKinds(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "v1")
	require.NoError(t, writeKinds(openAPI(t, object{
		core + "Pod": object{"type": "object", "properties": object{"spec": object{"$ref": "#/definitions/" + core + "PodSpec"}}},
	}), folder))
	files, err := os.ReadDir(folder)
	require.NoError(t, err)
	assert.Len(t, files, len(kinds))
	for _, name := range []string{"service-v1.json", "deployment-apps-v1.json", "ingress-networking-v1.json", "poddisruptionbudget-policy-v1.json"} {
		assert.FileExists(t, filepath.Join(folder, name))
	}
	pod := readJSON(t, folder, "pod-v1.json")
	assert.Equal(t, fromKubernetes, pod["$comment"])
	complete := object{"containers": "a"}
	assert.True(t, accepts(t, pod, "", object{"spec": complete}))
	assert.False(t, accepts(t, pod, "", object{"spec": object{}}), "an object must be complete, unlike podSpec")
	assert.False(t, accepts(t, pod, "", object{"sepc": complete}))
	assert.False(t, accepts(t, pod, "", object{"spec": object{"containers": "a", "memory": nil}}), "a null is for values only")
}

func TestCustom(t *testing.T) {
	t.Parallel()
	schema := object{"type": "object", "description": "a text", "properties": object{
		"spec": object{"type": "object", "required": list{"port"}, "properties": object{
			"port":  object{"x-kubernetes-int-or-string": true, "anyOf": list{object{"type": "integer"}, object{"type": "string"}}},
			"label": object{"type": "string", "nullable": true, "default": "a", "format": "uri"},
			"any":   object{"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": object{"a": object{"type": "string"}}},
			"map":   object{"type": "object", "additionalProperties": object{"type": "object", "properties": object{"a": object{"type": "string"}}}},
			"list":  object{"type": "array", "items": object{"type": "object", "properties": object{"a": object{"type": "string"}}}},
		}},
	}}
	version := func(name string, served bool) object {
		return object{"name": name, "served": served, "schema": object{"openAPIV3Schema": schema}}
	}
	folder := filepath.Join(t.TempDir(), "custom")
	require.NoError(t, writeCustom(write(t, object{"spec": object{
		"group": "things.example.com", "names": object{"kind": "Thing"}, "versions": list{version("v1", true), version("v1alpha1", false)},
	}}), folder))
	assert.NoFileExists(t, filepath.Join(folder, "thing-things-v1alpha1.json"), "it is not served")
	thing := readJSON(t, folder, "thing-things-v1.json")
	assert.Equal(t, fromCustom, thing["$comment"])
	assert.NotContains(t, thing, "description")
	for name, tc := range map[string]struct {
		spec     object
		accepted bool
	}{
		"a number for either":      {object{"port": 80}, true},
		"a string for either":      {object{"port": "http"}, true},
		"neither":                  {object{"port": true}, false},
		"a missing field":          {object{}, false},
		"an unknown field":         {object{"port": 80, "prot": 80}, false},
		"a null where permitted":   {object{"port": 80, "label": nil}, true},
		"a null elsewhere":         {object{"port": nil}, false},
		"a field that is kept":     {object{"port": 80, "any": object{"b": 1}}, true},
		"an unknown field, nested": {object{"port": 80, "map": object{"x": object{"b": "a"}}}, false},
		"an unknown field, listed": {object{"port": 80, "list": list{object{"b": "a"}}}, false},
		"known fields":             {object{"port": 80, "map": object{"x": object{"a": "a"}}, "list": list{object{"a": "a"}}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, tc.accepted, accepts(t, thing, "", object{"spec": tc.spec}))
		})
	}
}

func TestRequire(t *testing.T) {
	t.Parallel()
	section := func(properties object) object {
		return object{"type": "object", "additionalProperties": false, "properties": properties}
	}
	schemaFile := write(t, section(object{
		"text":  object{"type": "string"},
		"empty": object{"type": "string"},
		"null":  object{"type": list{"string", "null"}},
		"list":  object{"type": "array"},
		"map":   object{"type": "object", "additionalProperties": object{"type": "string"}},
		"agent": section(object{"seconds": object{"type": "integer"}, "on": object{"type": "boolean"}}),
	}))
	require.NoError(t, complete(schemaFile, write(t, object{
		"text": "a", "empty": "", "null": "a", "list": list{}, "map": object{"a": "b"}, "agent": object{"seconds": 300, "on": false},
	})))
	schema := readJSON(t, schemaFile)
	assert.Equal(t, fromValues, schema["$comment"])
	all := object{"text": "b", "agent": object{"seconds": 1, "on": true}}
	with := func(key string, value any) object {
		changed := object{key: value}
		for name, value := range all {
			if name != key {
				changed[name] = value
			}
		}
		return changed
	}
	for name, tc := range map[string]struct {
		values   object
		accepted bool
	}{
		"what has no default may be missing":  {all, true},
		"a default that is missing":           {object{"agent": all["agent"]}, false},
		"a default in a section":              {with("agent", object{"on": true}), false},
		"a section that is missing":           {object{"text": "b"}, false},
		"a default that may be null":          {with("null", nil), true},
		"an unknown key":                      {with("other", 1), false},
		"what a parent chart sets":            {with("global", object{"any": list{1}}), true},
		"the switch of a subchart":            {with("enabled", false), true},
		"a switch that is not true nor false": {with("enabled", "no"), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, tc.accepted, accepts(t, schema, "", tc.values))
		})
	}
}

func TestUnusableInputIsAnError(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "none")
	noRoot := openAPI(t, object{core + "Probe": nil})
	noField := openAPI(t, object{core + "PodSpec": object{"type": "object"}})
	noSchema := write(t, object{"spec": object{"versions": list{object{"name": "v1", "served": true}}}})
	for name, err := range map[string]error{
		"no document":              printValues(missing, &bytes.Buffer{}),
		"a document without kinds": writeKinds(write(t, object{}), t.TempDir()),
		"a definition is missing":  printValues(noRoot, &bytes.Buffer{}),
		"a field is mistyped":      printValues(noField, &bytes.Buffer{}),
		"no CRD":                   writeCustom(missing, t.TempDir()),
		"a CRD without a schema":   writeCustom(noSchema, t.TempDir()),
		"no values":                complete(write(t, object{}), missing),
	} {
		assert.Error(t, err, name)
	}
}
