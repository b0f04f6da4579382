package bench_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/bench"
	"example.com/ai-agent/test/internal/bench/benchtest"
)

func encode(t *testing.T, value any) []byte {
	t.Helper()
	text, err := json.Marshal(value)
	require.NoError(t, err)
	return text
}

func write(t *testing.T, result bench.Result) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "results.json")
	require.NoError(t, os.WriteFile(file, encode(t, result), 0o600))
	return file
}

func TestSchemaAcceptsResults(t *testing.T) {
	t.Parallel()
	assert.NoError(t, bench.Validate(encode(t, benchtest.Example())))
	assert.NoError(t, bench.Validate(encode(t, bench.Result{Commit: "c", Kubernetes: "v1", Machine: bench.Machine{CPUs: 1, Memory: 1}})), "nothing was disturbed")
}

func TestSchemaRefusesWrongResults(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, right, wrong, want string }{
		{"an unknown field", `"started"`, `"begun"`, "begun"},
		{"an unknown outcome", `"outcome":"done"`, `"outcome":"fine"`, "outcome"},
		{"a run of a kind that sends requests", `"kind":"stream"`, `"kind":"request"`, "kind"},
		{"a negative count", `"sent":20`, `"sent":-1`, "sent"},
		{"text for a number", `"size":1,`, `"size":"1",`, "size"},
		{"an unknown route", `"route":"service"`, `"route":"bus"`, "route"},
		{"no time", `"started":"2026-11-30T12:00:00Z"`, `"started":true`, "started"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			text := string(encode(t, benchtest.Example()))
			require.Contains(t, text, test.right)
			assert.ErrorContains(t, bench.Validate([]byte(strings.Replace(text, test.right, test.wrong, 1))), test.want)
		})
	}
}

func TestSchemaHasTheFieldsOfResult(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("results.schema.json")
	require.NoError(t, err)
	var schema struct {
		Defs map[string]struct {
			Properties map[string]any
			Required   []string
		} `json:"$defs"`
	}
	require.NoError(t, json.Unmarshal(text, &schema))
	seen := map[reflect.Type]bool{}
	var compare func(reflect.Type)
	compare = func(of reflect.Type) {
		for of.Kind() == reflect.Slice {
			of = of.Elem()
		}
		if of.Kind() != reflect.Struct || of == reflect.TypeFor[time.Time]() || seen[of] {
			return
		}
		seen[of] = true
		var fields, required []string
		for _, field := range reflect.VisibleFields(of) {
			name, option, _ := strings.Cut(field.Tag.Get("json"), ",")
			fields = append(fields, name)
			if option != "omitempty" {
				required = append(required, name)
			}
			compare(field.Type)
		}
		assert.ElementsMatch(t, fields, slices.Collect(maps.Keys(schema.Defs[of.Name()].Properties)), "properties of %s", of.Name())
		assert.ElementsMatch(t, required, schema.Defs[of.Name()].Required, "required of %s", of.Name())
	}
	compare(reflect.TypeFor[bench.Result]())
	assert.Len(t, seen, 12, "structs that were compared")
}

func TestReadMergesFiles(t *testing.T) {
	t.Parallel()
	first, second := benchtest.Example(), benchtest.Example()
	second.Started, second.Commit, second.Seed = first.Started.Add(-time.Hour), "other", 0
	got, err := bench.Read(write(t, first), write(t, second), write(t, first))
	require.NoError(t, err)
	want := first
	want.Started, want.Commit = second.Started, first.Commit+", other"
	want.Steady = slices.Concat(first.Steady, first.Steady, first.Steady)
	want.Scenarios = slices.Concat(first.Scenarios, first.Scenarios, first.Scenarios)
	want.Growth = slices.Concat(first.Growth, first.Growth, first.Growth)
	want.Reach = slices.Concat(first.Reach, first.Reach, first.Reach)
	assert.Equal(t, want, got)
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, want string
		change     func(*bench.Result)
	}{
		{"another machine", "different machines", func(r *bench.Result) { r.Machine.CPUs++ }},
		{"another version of Kubernetes", "one version", func(r *bench.Result) { r.Kubernetes = "v1.36.3" }},
		{"another seed", "seeds", func(r *bench.Result) { r.Seed++ }},
		{"a result without a commit", "not a results file", func(r *bench.Result) { r.Commit = "" }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			other := benchtest.Example()
			test.change(&other)
			_, err := bench.Read(write(t, benchtest.Example()), write(t, other))
			assert.ErrorContains(t, err, test.want)
		})
	}
	_, err := bench.Read(filepath.Join(t.TempDir(), "results.json"))
	assert.ErrorContains(t, err, "run `make bench-runs`, `make soak` or `make scale` first")
}

func TestReadPutsTheServiceFirst(t *testing.T) {
	t.Parallel()
	result := benchtest.Example()
	result.Scenarios[0].Route = "ingress"
	got, err := bench.Read(write(t, result))
	require.NoError(t, err)
	assert.Equal(t, append(slices.Clone(result.Scenarios[1:]), result.Scenarios[0]), got.Scenarios)
}
