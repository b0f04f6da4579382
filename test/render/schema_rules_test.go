package render

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
	"example.com/ai-agent/test/internal/finding"
	"example.com/ai-agent/test/internal/schema"
)

// Each rule of the schema refuses a value that violates it, at the path of that
// value: in sections, in entries of lists and of mappings, and in each definition.
// The rest of the document is valid, so that no other rule hides a missing one.
func TestEachSchemaRule(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(chart.Dir(), "values.schema.json"))
	require.NoError(t, err)
	compiled, err := schema.Compile("file:///values.schema.json", text)
	require.NoError(t, err)
	defaults, err := charttest.Own(t).Defaults()
	require.NoError(t, err)
	require.NoError(t, compiled.Validate(defaults))

	draw := newDrawer(t)
	places := draw.places(t)
	violated := map[string]int{}
	for _, place := range places {
		for rule, broken := range place.violations(t) {
			violated[strings.Fields(rule)[0]]++
			var invalid *schema.Error
			if !assert.ErrorAs(t, compiled.Validate(draw.around(place.steps, defaults, broken.value)), &invalid, "%s at %s", rule, broken.path) {
				continue
			}
			for _, violation := range invalid.Violations {
				assert.Equal(t, broken.path.String(), violation.Path.String(), "%s: %s", rule, violation.Message)
			}
		}
	}
	summarize("the schema has %d places with rules, which were violated: %v", len(places), violated)
	assert.GreaterOrEqual(t, len(places), 850, "places")
	for rule, count := range rulesOf(draw.raw) {
		assert.GreaterOrEqual(t, violated[rule], count, "a rule %s in the schema is not violated", rule)
	}
	// So that no rule is dropped unnoticed. Whoever drops one lowers the number.
	for rule, least := range map[string]int{
		"type": 844, "required": 187, "unknown": 165, "pattern": 27, "minimum": 21, "enum": 12, "maxLength": 11, "maximum": 5, "minLength": 4, "minItems": 1,
	} {
		assert.GreaterOrEqual(t, violated[rule], least, "rules %s", rule)
	}
}

// rulesOf counts the rules that are written in a schema, by keyword.
func rulesOf(schema map[string]any) map[string]int {
	counts := map[string]int{}
	add := func(inner any) {
		if inner, ok := inner.(map[string]any); ok {
			for rule, count := range rulesOf(inner) {
				counts[rule] += count
			}
		}
	}
	for keyword, value := range schema {
		switch keyword {
		case "$defs", "properties":
			for _, inner := range value.(map[string]any) {
				add(inner)
			}
		case "items":
			add(value)
		case "additionalProperties":
			add(value)
			if value == false {
				counts["unknown"]++
			}
		case "required":
			counts[keyword] += len(value.([]any))
		case "$ref", "$schema", "$comment", "title", "description":
		default:
			counts[keyword]++
		}
	}
	return counts
}

// place is a part of the schema and the steps that lead to it.
type place struct {
	schema map[string]any
	path   finding.Path
	steps  []stepDown
}

// stepDown leads from a mapping or a list to what is in it.
type stepDown struct {
	from, to map[string]any // the schemas
	key      string         // of the mapping; empty for an entry of the list
}

// broken makes of a valid value one that violates a rule, and has the path at
// which that must be reported.
type broken struct {
	path  finding.Path
	value func(valid any) any
}

// places returns every place of the schema that has rules. A definition is visited
// where it is used first; where it is used again, only its type is left to violate,
// which proves the reference.
func (d drawer) places(t *testing.T) []place {
	t.Helper()
	used := map[string]bool{}
	var found []place
	todo := []place{{schema: d.raw}}
	for len(todo) > 0 {
		here := todo[0]
		todo = todo[1:]
		if ref, ok := here.schema["$ref"].(string); ok {
			own := maps.Clone(here.schema)
			delete(own, "$ref")
			here.schema = maps.Clone(d.resolve(ref))
			if used[ref] {
				maps.DeleteFunc(here.schema, func(keyword string, _ any) bool { return keyword != "type" })
			}
			used[ref] = true
			delete(own, "additionalProperties") // is true, so that the reference alone decides
			maps.Copy(here.schema, own)
		}
		found = append(found, here)
		todo = append(todo, here.below()...)
	}
	return found
}

// below returns the places that are one step further.
func (p place) below() []place {
	var found []place
	down := func(inner any, key, segment string) {
		if inner, ok := inner.(map[string]any); ok {
			found = append(found, place{inner, p.path.With(segment), append(slices.Clone(p.steps), stepDown{p.schema, inner, key})})
		}
	}
	properties, _ := p.schema["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		down(properties[name], name, name)
	}
	down(p.schema["additionalProperties"], "any", "any")
	down(p.schema["items"], "", "0")
	return found
}

// violations returns how each rule of a place is violated.
func (p place) violations(t *testing.T) map[string]broken {
	t.Helper()
	found := map[string]broken{}
	here := func(rule string, value any) { found[rule] = broken{p.path, func(any) any { return value }} }
	for rule, limit := range p.schema {
		switch rule {
		case "type":
			here(rule, otherType(limit))
		case "enum":
			here(rule, "no such value")
		case "pattern":
			here(rule, unlike(t, p.schema))
		case "minimum":
			here(rule, limit.(float64)-1)
		case "maximum":
			here(rule, limit.(float64)+1)
		case "minLength":
			here(rule, strings.Repeat("a", int(limit.(float64))-1))
		case "maxLength":
			here(rule, strings.Repeat("a", int(limit.(float64))+1))
		case "minItems":
			require.EqualValues(t, 1, limit)
			here(rule, chart.List{})
		case "required":
			for _, key := range limit.([]any) {
				found[rule+" "+key.(string)] = broken{p.path.With(key.(string)), func(valid any) any { return lacking(valid, key.(string)) }}
			}
		case "additionalProperties":
			if limit == false {
				found["unknown key"] = broken{p.path.With("noSuchKey"), func(valid any) any { return withKey(valid, "noSuchKey", 1) }}
			}
		case "properties", "items", "$defs", "$schema", "$comment", "title", "description":
		default:
			assert.Fail(t, "no test violates this keyword", "%s at %s", rule, p.path)
		}
	}
	return found
}

// otherType returns a value that has none of the types.
func otherType(types any) any {
	allowed, ok := types.([]any)
	if !ok {
		allowed = chart.List{types}
	}
	for kind, value := range map[string]any{"array": chart.List{}, "object": chart.Map{}} {
		if !slices.Contains(allowed, any(kind)) {
			return value
		}
	}
	return "text"
}

// unlike returns a text of a permitted length that does not match the pattern.
func unlike(t *testing.T, schema map[string]any) string {
	t.Helper()
	pattern := regexp.MustCompile(schema["pattern"].(string))
	for _, text := range []string{"!", "", "a b", "-"} {
		if len(text) >= limit(schema, "minLength", 0) && !pattern.MatchString(text) {
			return text
		}
	}
	require.Fail(t, "no text is unlike", pattern.String())
	return ""
}

func lacking(valid any, key string) any {
	left, _ := valid.(map[string]any)
	left = maps.Clone(left)
	delete(left, key)
	return left
}

func withKey(valid any, key string, value any) any {
	more := maps.Clone(valid.(map[string]any))
	more[key] = value
	return more
}

// around returns a document with the defaults that has the value of change at the
// end of the steps. What is required on the way, and has no default, is added.
func (d drawer) around(steps []stepDown, valid any, change func(valid any) any) any {
	if len(steps) == 0 {
		return change(valid)
	}
	step := steps[0]
	if step.key == "" {
		return chart.List{d.around(steps[1:], d.minimal(step.to), change)}
	}
	mapping, ok := valid.(map[string]any)
	if !ok {
		mapping = d.minimal(step.from).(map[string]any)
	}
	inner := mapping[step.key]
	if inner == nil {
		inner = d.minimal(step.to)
	}
	return withKey(mapping, step.key, d.around(steps[1:], inner, change))
}

// minimal returns a valid value that has only what is required: a mapping or a
// list, if the schema permits one.
func (d drawer) minimal(of map[string]any) any {
	if ref, ok := of["$ref"].(string); ok {
		of = d.resolve(ref)
	}
	if enum, ok := of["enum"].([]any); ok {
		return enum[0]
	}
	kinds, ok := of["type"].([]any)
	if !ok {
		kinds = chart.List{of["type"]}
	}
	for _, kind := range []string{"object", "array", "string", "integer", "number", "boolean"} {
		if slices.Contains(kinds, any(kind)) {
			return d.minimalOf(kind, of)
		}
	}
	return nil
}

func (d drawer) minimalOf(kind string, of map[string]any) any {
	switch kind {
	case "object":
		object := map[string]any{}
		properties, _ := of["properties"].(map[string]any)
		required, _ := of["required"].([]any)
		for _, key := range required {
			property, _ := properties[key.(string)].(map[string]any) // of any type, if nothing is said about it
			object[key.(string)] = d.minimal(property)
		}
		return object
	case "array":
		if limit(of, "minItems", 0) == 0 {
			return chart.List{}
		}
		return chart.List{d.minimal(of["items"].(map[string]any))}
	case "string":
		if pattern, ok := of["pattern"].(string); ok {
			return rapid.StringMatching(pattern).Example(1)
		}
		return strings.Repeat("a", limit(of, "minLength", 0))
	case "boolean":
		return false
	default:
		return limit(of, "minimum", 0)
	}
}
