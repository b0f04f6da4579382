package render

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
	"example.com/ai-agent/test/internal/check"
	"example.com/ai-agent/test/internal/finding"
)

// exempt has, for values that the chart copies into objects as they are, the checks
// that such a value may fail: a user may do what Kubernetes permits, and use a field
// that older versions of it do not know. These values are drawn rarely.
var exempt = map[string][]string{
	"networkPolicy":      {"access-allow-all-policy"},
	"podSecurityContext": {"pod-security"},
	"securityContext":    {"pod-security"},
	"podSpec":            {"pod-security", "schema"},
	"volumes":            {"pod-security", "schema"},
	"volumeMounts":       {"schema"},
	"lifecycle":          {"pod-security", "schema"},
	"livenessProbe":      {"pod-security", "schema", "pitfall-readiness"},
	"readinessProbe":     {"pod-security", "schema", "pitfall-readiness"},
	"startupProbe":       {"pod-security", "schema"},
	"resources":          {"practice-requests-and-limits"},
	"extraContainers":    {"pod-security", "schema", "practice-requests-and-limits", "practice-three-probes"},
	"initContainers":     {"pod-security", "schema", "practice-requests-and-limits"},
}

// Any values that meet the schema render, decode strictly and pass every check, or
// a rule refuses them. A draw that fails is reduced and printed as a values file.
func TestAnyValidValues(t *testing.T) {
	t.Parallel()
	reached := counter{}
	rapid.Check(t, anyValidValues(t, reached))
	summarize("TestAnyValidValues with RAPID_SEED=%s drew %d values, of which %s", flag.Lookup("rapid.seed").Value, reached["drawn"], reached)
	for name, draws := range reached { // two of three are expected, and two of five are all but certain
		assert.GreaterOrEqual(t, 5*draws, 2*reached["drawn"], "draws that reach %s", name)
	}
}

// FuzzAnyValidValues does the same for `go test -fuzz`.
func FuzzAnyValidValues(f *testing.F) {
	f.Add(bytes.Repeat([]byte("an agent's values"), 1000))
	f.Fuzz(rapid.MakeFuzz(anyValidValues(f, counter{})))
}

// counter counts the draws that reach each check.
type counter map[string]int

func anyValidValues(tb testing.TB, reached counter) func(*rapid.T) {
	draw := newDrawer(tb)
	c := charttest.Own(tb)
	set, err := check.New(c)
	require.NoError(tb, err)
	for _, check := range set.Checks {
		if check.ID != "kubernetes" {
			reached[check.ID] = 0
		}
	}
	return func(t *rapid.T) {
		reached["drawn"]++
		values := draw.values(t)
		subject := accepted(t, c, set, values)
		if subject == nil {
			return
		}
		reached["rendered"]++
		for _, check := range set.Checks {
			if check.ID == "kubernetes" || mayFail(values, check.ID) { // which refuses most random strings
				continue
			}
			reached[check.ID]++
			findings, err := check.Run(t.Context(), *subject)
			require.NoError(t, err)
			refuseErrors(t, findings, values)
		}
	}
}

// accepted renders values, without those that the chart's rules refuse. It returns
// nil if they refuse what is left.
func accepted(t *rapid.T, c *chart.Chart, set *check.Set, values map[string]any) *check.Subject {
	for {
		subject, findings, err := check.Render(c, chart.Options{Set: chart.Values(values)})
		require.NoError(t, err)
		if subject != nil {
			return subject
		}
		removed := false
		for _, f := range findings {
			if f.Severity != finding.Error {
				continue
			}
			if !slices.ContainsFunc(set.Rules(), func(rule finding.Rule) bool { return rule.ID == f.ID && rule.Source == "the chart" }) {
				refuseErrors(t, []finding.Finding{f}, values)
			}
			removed = removeAt(values, f.Path[:min(len(f.Path), 2)]) || removed // the whole entry: it may be required in part
		}
		if !removed {
			return nil
		}
	}
}

func refuseErrors(t *rapid.T, findings []finding.Finding, values map[string]any) {
	for _, f := range findings {
		if f.Severity == finding.Error {
			text, err := yaml.Marshal(values)
			require.NoError(t, err)
			t.Fatalf("%s: %s: %s\nwith the values\n%s", f.ID, f.Where(), f.Problem, text)
		}
	}
}

// mayFail reports whether a value, of the server or of a worker or job, exempts the draw
// from a check.
func mayFail(values map[string]any, check string) bool {
	for key, checks := range exempt {
		if values[key] != nil && slices.Contains(checks, check) {
			return true
		}
	}
	for _, key := range []string{"workers", "jobs"} {
		entries, _ := values[key].(map[string]any)
		for _, entry := range entries {
			if fields, isMap := entry.(map[string]any); isMap && mayFail(fields, check) {
				return true
			}
		}
	}
	return false
}

// removeAt removes what is at a path, or the last part of the path that exists.
func removeAt(values map[string]any, path finding.Path) bool {
	inner, deeper := values[path[0]].(map[string]any)
	if deeper && len(path) > 1 && removeAt(inner, path[1:]) {
		return true
	}
	_, exists := values[path[0]]
	delete(values, path[0])
	return exists
}

// String lists the counts by name.
func (c counter) String() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(c)) {
		if name != "drawn" {
			parts = append(parts, fmt.Sprintf("%d reached %s", c[name], name))
		}
	}
	return strings.Join(parts, ", ")
}

// drawer draws values that meet a JSON Schema.
type drawer struct {
	raw  map[string]any // the schema
	root map[string]any // the schema without what values.yaml has by default
}

func newDrawer(tb testing.TB) drawer {
	data, err := os.ReadFile(filepath.Join(chart.Dir(), "values.schema.json"))
	require.NoError(tb, err)
	var raw, root map[string]any
	require.NoError(tb, json.Unmarshal(data, &raw))
	require.NoError(tb, json.Unmarshal(data, &root))
	freeOfDefaults(root)
	return drawer{raw, root}
}

// freeOfDefaults removes what the schema requires and values.yaml has by default: a
// draw need not repeat it, but must not remove it with a null either.
func freeOfDefaults(schema map[string]any) {
	required, _ := schema["required"].([]any)
	delete(schema, "required")
	properties, _ := schema["properties"].(map[string]any)
	for name, property := range properties {
		property := property.(map[string]any)
		property[neverNull] = slices.Contains(required, any(name))
		freeOfDefaults(property)
	}
}

// neverNull is a keyword of a property that has a default.
const neverNull = "x-never-null"

// deepest is the level down to which optional fields are drawn.
const deepest = 7

func (d drawer) values(t *rapid.T) map[string]any {
	return d.draw(t, d.root, "", 0).(map[string]any)
}

func (d drawer) draw(t *rapid.T, schema map[string]any, path string, depth int) any {
	if ref, ok := schema["$ref"].(string); ok {
		resolved := maps.Clone(d.resolve(ref))
		if kind := schema["type"]; kind != nil {
			resolved["type"] = kind // both apply
		}
		resolved[neverNull] = schema[neverNull]
		return d.draw(t, resolved, path, depth)
	}
	if enum, ok := schema["enum"].([]any); ok {
		return rapid.SampledFrom(enum).Draw(t, path)
	}
	kind := schema["type"]
	if kinds, ok := kind.([]any); ok {
		if schema[neverNull] == true {
			kinds = slices.DeleteFunc(slices.Clone(kinds), func(kind any) bool { return kind == "null" })
		}
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
		if path == "" && name == "extraObjects" {
			continue // these are objects of the user, not values of the chart
		}
		most := 7                                              // one in eight, and none at first, so that a failing draw is reduced to what it needs
		if (depth == 0 || depth == 2) && exempt[name] != nil { // of the server, a worker or a job
			most = 31
		}
		wanted := slices.Contains(required, any(name)) || depth < deepest && rapid.IntRange(0, most).Draw(t, path+"."+name+"?") == most
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

// awkward are strings that YAML, a template or Kubernetes may mistake for something else.
var awkward = []string{
	"a", "", "yes", "null", "~", "007", "1e3", "0x10", "1.0", "a: b", "- a", "{a}", "[a]", "#a", "a #b", "*a", "&a", "!a", "%a", "@a", "`a`", "'", `"`, `\`,
	"{{ .Values }}", "$(a)", "ä ö", "two\nlines", " a ", "a,b", "a/b", "sk-a", "-----BEGIN ",
}

func (d drawer) text(t *rapid.T, schema map[string]any, path string) string {
	if pattern, ok := schema["pattern"].(string); ok {
		matching := rapid.StringMatching(strings.TrimSuffix(strings.TrimPrefix(pattern, "^"), "$"))
		return matching.Filter(isPrintable).Draw(t, path) // YAML permits no control characters
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
