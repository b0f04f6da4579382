package chart

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestValues(t *testing.T) {
	t.Parallel()
	shared := Map{"b": 1, "deep": Map{"d": 1}}
	values := Values{"a": shared, "a.c": 2, "a.deep.e": 2, "x.y.z": List{1}, "annotations": Map{"example.com/a": "b"}, "gone": nil}
	text, err := values.YAML()
	require.NoError(t, err)
	assert.YAMLEq(t, `
a: {b: 1, c: 2, deep: {d: 1, e: 2}}
x: {y: {z: [1]}}
annotations: {example.com/a: b}
gone: null
`, string(text))
	assert.Equal(t, Map{"b": 1, "deep": Map{"d": 1}}, shared, "the caller's values stay as they are")
	assert.Equal(t, Values{"a": 1, "b": 2}, Values{"a": 1}.With("b", 2))
	assert.Equal(t, Values{"a": 3}, Values{"a": 1}.And(Values{"a": 3}))
}

// Values in memory are read like files, and leave the caller's unchanged.
func TestPrecedenceOfValues(t *testing.T) {
	t.Parallel()
	read := Map{"agent": Map{"maxRunSeconds": 400, "type": "api"}}
	options := Options{Read: read, Set: Values{"agent.maxRunSeconds": 500}}
	merged, err := options.values()
	require.NoError(t, err)
	assert.Equal(t, Map{"agent": Map{"maxRunSeconds": 500.0, "type": "api"}}, merged)
	assert.Equal(t, Map{"agent": Map{"maxRunSeconds": 400, "type": "api"}}, read)
}

func TestMerge(t *testing.T) {
	t.Parallel()
	earlier := Map{"a": Map{"b": 1, "c": 2}, "list": List{1, 2}, "kept": true}
	later := Map{"a": Map{"b": nil, "d": 3}, "list": List{3}}
	assert.Equal(t, Map{"a": Map{"b": nil, "c": 2, "d": 3}, "list": List{3}, "kept": true}, Merge(earlier, later))
	assert.Equal(t, Map{"a": Map{"b": 1, "c": 2}, "list": List{1, 2}, "kept": true}, earlier)
	assert.Equal(t, later, Merge(nil, later))
}
