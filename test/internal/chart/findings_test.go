package chart

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"example.com/ai-agent/test/internal/finding"
)

// own returns the chart ai-agent.
func own(t *testing.T) *Chart {
	t.Helper()
	c, err := Load(Dir())
	require.NoError(t, err)
	return c
}

// write writes a YAML file of a chart.
func write(t *testing.T, content Map, elem ...string) {
	t.Helper()
	file := filepath.Join(elem...)
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	text, err := yaml.Marshal(content)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, text, 0o600))
}

// umbrella returns a chart that has the chart ai-agent as a dependency three
// times: by its name, as billing, and as spare unless that is disabled.
func umbrella(t *testing.T) *Chart {
	t.Helper()
	folder := t.TempDir()
	metadata, err := own(t).Metadata()
	require.NoError(t, err)
	dependency := func(alias string) Map {
		return Map{"name": Name, "version": metadata.Version, "alias": alias, "condition": alias + ".enabled"}
	}
	write(t, Map{
		"apiVersion": "v2", "name": "team", "version": "1.0.0",
		"dependencies": List{dependency(""), dependency("billing"), dependency("spare")},
	}, folder, "Chart.yaml")
	write(t, Map{"spare": Map{"enabled": false}, "billing": Map{"image": Map{"tag": metadata.AppVersion}}}, folder, "values.yaml")
	require.NoError(t, os.CopyFS(filepath.Join(folder, "charts", Name), os.DirFS(Dir())))
	c, err := Load(folder)
	require.NoError(t, err)
	return c
}

func TestFindings(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		values Values
		want   map[string]string // path: ID
	}{
		"nothing to report":      {nil, map[string]string{}},
		"violations of a schema": {Values{"agent.type": "huge", "agent.maxRunSecond": 1, "image.tag": "latest"}, map[string]string{"agent.type": "values-schema", "agent.maxRunSecond": "values-schema"}},
		"a default set to null":  {Values{"agent.maxRunSeconds": nil}, map[string]string{"agent.maxRunSeconds": "values-schema"}},
		"two rules":              {Values{"image.tag": "latest", "terminationGracePeriodSeconds": 30}, map[string]string{"image.tag": "image-tag-latest", "terminationGracePeriodSeconds": "grace-period-too-short"}},
		"an entry of a list":     {Values{"env": List{Map{"name": "A", "value": "a"}, Map{"name": "MAX_RUN_SECONDS", "value": "1"}}}, map[string]string{"env[1]": "run-budget-override"}},
		"a template that fails":  {Values{"extraObjects": List{`{{ include "nothing" . }}`}}, map[string]string{"": "render"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			findings, err := own(t).Findings(Options{Set: tc.values})
			require.NoError(t, err)
			have := map[string]string{}
			for _, f := range findings {
				have[f.Path.String()] = f.ID
				assert.Equal(t, finding.Error, f.Severity)
				assert.NotEmpty(t, f.Problem)
				assert.NotEmpty(t, f.Fix)
				assert.Empty(t, f.Object)
			}
			assert.Equal(t, tc.want, have)
			assert.Len(t, findings, len(tc.want))
		})
	}
}

// Warnings and notes do not prevent a render.
func TestFindingsWithoutAnErrorComeWithTheManifest(t *testing.T) {
	t.Parallel()
	options := Options{Set: Values{"image.tag": "latest", "validation.skip": List{"image-tag-latest"}}}
	manifest, findings, err := own(t).RenderWithFindings(options)
	require.NoError(t, err)
	require.Equal(t, []string{"image-tag-latest"}, finding.IDs(findings))
	assert.Equal(t, finding.Info, findings[0].Severity)
	want, err := own(t).Render(options)
	require.NoError(t, err)
	assert.Equal(t, want, manifest)
}

func TestPathsOfASubchartBeginWithItsName(t *testing.T) {
	t.Parallel()
	latest := Map{"image": Map{"tag": "latest"}}
	for name, tc := range map[string]struct {
		values Values
		want   []string
	}{
		"nothing to report":      {nil, nil},
		"a rule, in each":        {Values{"ai-agent": latest, "billing": latest, "spare": latest}, []string{"ai-agent.image.tag", "billing.image.tag"}},
		"a violation, in one":    {Values{"billing.agent.type": "huge"}, []string{"billing.agent.type"}},
		"values that are a list": {Values{"billing": List{}}, []string{""}}, // Helm does not say where
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			findings, err := umbrella(t).Findings(Options{Set: tc.values})
			require.NoError(t, err)
			var have []string
			for _, f := range findings {
				have = append(have, f.Path.String())
			}
			assert.Equal(t, tc.want, have)
		})
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	rules, err := own(t).Rules()
	require.NoError(t, err)
	assert.Greater(t, len(rules), 40)
	skippable := map[bool]int{}
	for _, rule := range rules {
		assert.NotEmpty(t, rule.ID)
		assert.NotEmpty(t, rule.Title)
		assert.GreaterOrEqual(t, rule.Severity.Rank(), 0)
		skippable[rule.Skippable]++
	}
	assert.Positive(t, skippable[true])
	assert.Positive(t, skippable[false])
	ofSubchart, err := umbrella(t).Rules()
	require.NoError(t, err)
	assert.Equal(t, rules, ofSubchart)
}

func TestFileIsThatOfTheChart(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile(filepath.Join(Dir(), "files", "timeouts.yaml"))
	require.NoError(t, err)
	for _, c := range []*Chart{own(t), umbrella(t)} {
		assert.Equal(t, string(want), string(c.File("files/timeouts.yaml")))
		assert.Nil(t, c.File("files/none.yaml"))
	}
}

// A violation is data for who asks for it, and Helm's text for who prints it.
func TestSchemaErrorIsTyped(t *testing.T) {
	t.Parallel()
	_, err := own(t).Render(Options{Set: Values{"replicaCount": "two"}})
	var invalid *SchemaError
	require.ErrorAs(t, err, &invalid)
	require.Len(t, invalid.Violations, 1)
	assert.Equal(t, "replicaCount", invalid.Violations[0].Path.String())
	assert.Contains(t, err.Error(), "- at '/replicaCount': got string, want ")
}

func TestUnreadableValuesAreAnError(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]Options{
		"no such file":         {Files: []string{"/nowhere.yaml"}},
		"no version":           {KubeVersion: "new"},
		"values like no chart": {Set: Values{"a": func() {}}},
	} {
		_, err := own(t).Findings(options)
		require.Error(t, err, name)
	}
}

// Helm quotes a template that it cannot parse: here a Secret.
func TestUnparsedTemplateIsNotQuoted(t *testing.T) {
	t.Parallel()
	secret := "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\nstringData: {p: \"hunter2{{ bad\"}\n"
	findings, err := own(t).Findings(Options{Set: Values{"extraObjects": List{secret}}})
	require.NoError(t, err)
	require.NotEmpty(t, findings)
	for _, f := range findings {
		assert.NotContains(t, f.Problem, "hunter2")
		assert.Contains(t, f.Problem, "cannot parse the template")
	}
}
