package finding

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPathsReadAsPeopleWriteThem(t *testing.T) {
	t.Parallel()
	for want, path := range map[string]Path{
		"":                                  nil,
		"agent.maxRunSeconds":               {"agent", "maxRunSeconds"},
		"env[0].name":                       {"env", "0", "name"},
		"config.HTTP_PROXY":                 {"config", "HTTP_PROXY"},
		"data.a/b":                          {"data", "a/b"},
		`annotations["example.com/a"]`:      {"annotations", "example.com/a"},
		`annotations["say \"so\""].b`:       {"annotations", `say "so"`, "b"},
		`config[""]`:                        {"config", ""},
		`commonLabels["two words"]`:         {"commonLabels", "two words"},
		`["app.kubernetes.io/name"].a[10]`:  {"app.kubernetes.io/name", "a", "10"},
		"billing.ingress.hosts[1].paths[0]": {"billing", "ingress", "hosts", "1", "paths", "0"},
	} {
		assert.Equal(t, want, path.String())
	}
}

func TestLongerPathSharesNoMemory(t *testing.T) {
	t.Parallel()
	path := make(Path, 0, 4).With("a")
	first, second := path.With("b"), path.With("c")
	assert.Equal(t, "a.b", first.String())
	assert.Equal(t, "a.c", second.String())
}

func TestFindingAsJSON(t *testing.T) {
	t.Parallel()
	out, err := json.Marshal(Finding{ID: "a", Severity: Info, Path: Path{"b", "0"}, Problem: "c", Fix: "d"})
	require.NoError(t, err)
	assert.JSONEq(t, `{"id": "a", "severity": "info", "path": "b[0]", "problem": "c", "fix": "d"}`, string(out))
}

func TestSeveritiesAreOrdered(t *testing.T) {
	t.Parallel()
	assert.True(t, Error.AtLeast(Warning))
	assert.True(t, Warning.AtLeast(Warning))
	assert.False(t, Info.AtLeast(Warning))
	assert.Negative(t, Severity("fatal").Rank())
}
