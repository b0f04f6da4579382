package render

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/check"
	"example.com/ai-agent/test/internal/repo"
)

// handedOn are values with which a user may do anything that Kubernetes takes,
// also what a policy forbids. A draw with one of them must render and decode, no
// more.
var handedOn = []string{
	"affinity", "env", "envFrom", "extraContainers", "image", "initContainers", "lifecycle", "livenessProbe",
	"networkPolicy", "podSecurityContext", "podSpec", "readinessProbe", "resources", "resizePolicy", "securityContext",
	"startupProbe", "strategy", "volumeMounts", "volumes",
}

// Whatever the schema takes renders, decodes strictly and passes every check, or
// a guard refuses it. A failing draw is shrunk and printed as a values file.
func TestAnyValidValues(t *testing.T) {
	t.Parallel()
	rapid.Check(t, anyValidValues(t))
}

// FuzzAnyValidValues is the same for `go test -fuzz`.
func FuzzAnyValidValues(f *testing.F) {
	f.Add(bytes.Repeat([]byte("an agent's values"), 1000))
	f.Fuzz(rapid.MakeFuzz(anyValidValues(f)))
}

func anyValidValues(tb testing.TB) func(*rapid.T) {
	draw := newDrawer(tb)
	c, err := chart.Load(chart.Dir())
	require.NoError(tb, err)
	set, err := check.New()
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, set.Close()) })
	folder := tb.TempDir()
	return func(t *rapid.T) {
		values := draw.values(t)
		text, err := yaml.Marshal(values)
		require.NoError(t, err)
		drawn, err := os.CreateTemp(folder, "drawn-*.yaml")
		require.NoError(t, err)
		_, err = drawn.Write(text)
		require.NoError(t, errors.Join(err, drawn.Close()))
		file := drawn.Name()
		subject, findings, err := check.Render(c, chart.Options{Files: []string{file}, APIVersions: chart.MonitoringAPIs})
		require.NoError(t, err, "with the values\n%s", text)
		if len(findings) == 1 && findings[0].Check == "values-guard" {
			return
		}
		if findings == nil && !slices.ContainsFunc(handedOn, func(key string) bool { return values[key] != nil }) {
			findings, err = set.Run(t.Context(), subject)
			require.NoError(t, err, "with the values\n%s", text)
		}
		for _, finding := range findings {
			if finding.Severity == check.Error {
				t.Fatalf("%s: %s %s: %s\nwith the values\n%s", finding.Check, finding.Object, finding.Field, finding.Problem, text)
			}
		}
	}
}

// drawer draws values that keep a JSON Schema.
type drawer struct{ root map[string]any }

func newDrawer(tb testing.TB) drawer {
	data, err := os.ReadFile(repo.Path("charts", "ai-agent", "values.schema.json"))
	require.NoError(tb, err)
	var root map[string]any
	require.NoError(tb, json.Unmarshal(data, &root))
	freeOfDefaults(root)
	return drawer{root}
}

// freeOfDefaults takes away what the schema requires since values.yaml has it by
// default: a draw need not repeat that.
func freeOfDefaults(schema map[string]any) {
	delete(schema, "required")
	properties, _ := schema["properties"].(map[string]any)
	for _, property := range properties {
		freeOfDefaults(property.(map[string]any))
	}
}

// deepest is how far down optional fields are drawn.
const deepest = 7

func (d drawer) values(t *rapid.T) map[string]any {
	return d.draw(t, d.root, "", 0).(map[string]any)
}

func (d drawer) draw(t *rapid.T, schema map[string]any, path string, depth int) any {
	if ref, ok := schema["$ref"].(string); ok {
		resolved := maps.Clone(d.resolve(ref))
		if kind := schema["type"]; kind != nil {
			resolved["type"] = kind // both hold
		}
		return d.draw(t, resolved, path, depth)
	}
	if enum, ok := schema["enum"].([]any); ok {
		return rapid.SampledFrom(enum).Draw(t, path)
	}
	kind := schema["type"]
	if kinds, ok := kind.([]any); ok {
		kind = rapid.SampledFrom(kinds).Draw(t, path+" type")
	}
	switch kind {
	case "object":
		return d.object(t, schema, path, depth)
	case "array":
		return d.array(t, schema, path, depth)
	case "string":
		return d.text(t, schema, path)
	case "integer":
		return rapid.IntRange(limit(schema, "minimum", 0), limit(schema, "maximum", 100_000)).Draw(t, path)
	case "number":
		return rapid.Float64Range(0, 100).Draw(t, path)
	case "boolean":
		return rapid.Bool().Draw(t, path)
	default:
		return nil
	}
}

func (d drawer) resolve(ref string) map[string]any {
	here := d.root
	for name := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		here = here[name].(map[string]any)
	}
	return here
}

func (d drawer) object(t *rapid.T, schema map[string]any, path string, depth int) map[string]any {
	object := map[string]any{}
	required, _ := schema["required"].([]any)
	properties, _ := schema["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		// One in eight, and none at first, so that a draw shrinks to what it needs.
		if path == "" && name == "extraObjects" {
			continue // what stands there is no value of the chart's
		}
		wanted := slices.Contains(required, any(name)) || depth < deepest && rapid.IntRange(0, 7).Draw(t, path+"."+name+"?") == 7
		if wanted {
			object[name] = d.draw(t, properties[name].(map[string]any), path+"."+name, depth+1)
		}
	}
	further, ok := schema["additionalProperties"].(map[string]any)
	if !ok {
		return object
	}
	for _, name := range rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z][a-z0-9]{0,8}`), 0, 2, rapid.ID[string]).Draw(t, path+" keys") {
		object[name] = d.draw(t, further, path+"."+name, depth+1)
	}
	return object
}

func (d drawer) array(t *rapid.T, schema map[string]any, path string, depth int) []any {
	array := []any{}
	items, _ := schema["items"].(map[string]any)
	for range rapid.IntRange(limit(schema, "minItems", 0), 2).Draw(t, path+" length") {
		array = append(array, d.draw(t, items, path+"[]", depth+1))
	}
	return array
}

// awkward are strings that YAML, a template or Kubernetes may take for something else.
var awkward = []string{
	"a", "", "yes", "null", "~", "007", "1e3", "0x10", "1.0", "a: b", "- a", "{a}", "[a]", "#a", "a #b", "*a", "&a", "!a", "%a", "@a", "`a`", "'", `"`, `\`,
	"{{ .Values }}", "$(a)", "ä ö", "two\nlines", " a ", "a,b", "a/b", "sk-a", "-----BEGIN ",
}

func (d drawer) text(t *rapid.T, schema map[string]any, path string) string {
	if pattern, ok := schema["pattern"].(string); ok {
		matching := rapid.StringMatching(strings.TrimSuffix(strings.TrimPrefix(pattern, "^"), "$"))
		return matching.Filter(isPrintable).Draw(t, path) // YAML has no control characters
	}
	fits := func(s string) bool {
		return len(s) >= limit(schema, "minLength", 0) && len(s) <= limit(schema, "maxLength", 1000)
	}
	return rapid.SampledFrom(awkward).Filter(fits).Draw(t, path)
}

func isPrintable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

func limit(schema map[string]any, name string, otherwise int) int {
	if value, ok := schema[name].(float64); ok {
		return int(value)
	}
	return otherwise
}
