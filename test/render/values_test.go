package render

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
	"example.com/ai-agent/test/internal/finding"
	"example.com/ai-agent/test/internal/repo"
)

// readWhole are values that a template copies as a whole, without reading what is
// in them.
var readWhole = []string{
	"sample.metrics",
	"autoscaling.behavior", "config", "sample.config", "grafanaDashboard.labels", "livenessProbe", "podSecurityContext", "readinessProbe",
	"secret.stringData", "securityContext", "startupProbe", "strategy",
}

// Every value is read by a template, and every template reads declared values.
func TestValuesAndTemplatesAgree(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(chart.Dir(), "values.yaml"))
	require.NoError(t, err)
	var values map[string]any
	require.NoError(t, yaml.UnmarshalStrict(text, &values))
	templates := readTemplates(t)

	for _, path := range leaves(values) {
		last := path[strings.LastIndex(path, ".")+1:]
		read := regexp.MustCompile(`\.` + regexp.QuoteMeta(last) + `\b|"` + regexp.QuoteMeta(last) + `"`)
		assert.True(t, read.MatchString(templates), "no template reads %s", path)
	}
	for _, match := range regexp.MustCompile(`\$?(?:\.root)?\.Values\.([A-Za-z_.]+)|\$values\.([A-Za-z_.]+)`).FindAllStringSubmatch(templates, -1) {
		path := match[1] + match[2]
		assert.True(t, declared(values, path), "a template reads %s, which values.yaml lacks", path)
	}
}

// With a null, helm removes a value: a finding says so, or the release does
// without it. No template fails.
func TestNullOfEachValue(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(chart.Dir(), "values.yaml"))
	require.NoError(t, err)
	var values map[string]any
	require.NoError(t, yaml.Unmarshal(text, &values))
	for _, path := range everyPath(values, "") {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			set := maps.Clone(everything)
			maps.DeleteFunc(set, func(other string, _ any) bool { return strings.HasPrefix(other, path+".") })
			options := chart.Options{Set: set.With(path, nil)}
			manifest, err := charttest.Template(t, options)
			if err != nil {
				assertErrorsAt(t, path, options)
				return
			}
			_, err = chart.Decode(manifest)
			require.NoError(t, err)
		})
	}
}

// assertErrorsAt fails unless the errors are those of rules about a value.
func assertErrorsAt(t *testing.T, path string, options chart.Options) {
	t.Helper()
	findings, err := charttest.Own(t).Findings(options)
	require.NoError(t, err)
	require.True(t, finding.HasErrors(findings))
	for _, f := range findings {
		assert.NotEqual(t, chart.RenderRule.ID, f.ID, f.Problem)
		if f.Severity == finding.Error {
			assert.True(t, strings.HasPrefix(f.Path.String(), path), "%s: %s", f.Path, f.Problem)
		}
	}
}

// A later values file removes an entry with a null; what the chart derives stays.
func TestNullRemovesAnEntry(t *testing.T) {
	t.Parallel()
	first := charttest.File(t, aSchedule.And(chart.Values{
		"commonAnnotations": chart.Map{"a": "b", "c": "d"}, "config.MINE": "a", "nodeSelector": chart.Map{"a": "b", "c": "d"},
	}))
	objects := charttest.Render(t, chart.Values{"commonAnnotations.a": nil, "config.MINE": nil, "nodeSelector.a": nil, "schedules.a": nil}, first)
	config := charttest.One[*corev1.ConfigMap](t, objects)
	assert.Equal(t, map[string]string{"c": "d"}, config.Annotations)
	assert.NotContains(t, config.Data, "MINE")
	assert.Equal(t, map[string]string{"c": "d"}, charttest.One[*appsv1.Deployment](t, objects).Spec.Template.Spec.NodeSelector)
	assert.Empty(t, chart.All[*batchv1.CronJob](objects))
}

// everyPath lists the dotted paths of all values, including sections, but not what
// is in the sections that are given as whole.
func everyPath(values map[string]any, prefix string, whole ...string) []string {
	var paths []string
	for name, value := range values {
		path := prefix + name
		paths = append(paths, path)
		if inner, ok := value.(map[string]any); ok && !slices.Contains(whole, path) {
			paths = append(paths, everyPath(inner, path+".", whole...)...)
		}
	}
	return paths
}

// leaves lists the paths of the values that contain no others, or are read whole.
func leaves(values map[string]any) []string {
	all := everyPath(values, "", readWhole...)
	return slices.DeleteFunc(slices.Clone(all), func(path string) bool {
		return slices.ContainsFunc(all, func(other string) bool { return strings.HasPrefix(other, path+".") })
	})
}

func readTemplates(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, pattern := range []string{"templates/*", "templates/tests/*", "templates/validation/*", "files/*"} {
		files, err := filepath.Glob(filepath.Join(chart.Dir(), pattern))
		require.NoError(t, err)
		for _, file := range files {
			if info, err := os.Stat(file); err == nil && info.IsDir() {
				continue
			}
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			all.Write(text)
		}
	}
	return all.String()
}

func declared(values map[string]any, path string) bool {
	for name := range strings.SplitSeq(path, ".") {
		value, ok := values[name]
		if !ok {
			return false
		}
		values, _ = value.(map[string]any)
	}
	return true
}

// values.schema.json and the chart's README are generated, never edited.
func TestDerivedFilesAreCurrent(t *testing.T) {
	t.Parallel()
	copied := filepath.Join(t.TempDir(), "ai-agent")
	require.NoError(t, os.CopyFS(copied, os.DirFS(chart.Dir())))
	run(t, copied, "helm-values-schema-json")
	run(t, repo.Path(), "go", "run", "./ci/schema", "require", filepath.Join(copied, "values.schema.json"), filepath.Join(copied, "values.yaml"))
	run(t, copied, "helm-docs", "--chart-search-root", ".", "--sort-values-order", "file", "--log-level", "warning")
	for _, name := range []string{"values.schema.json", "README.md"} {
		want, err := os.ReadFile(filepath.Join(copied, name))
		require.NoError(t, err)
		have, err := os.ReadFile(repo.Path("charts", "ai-agent", name))
		require.NoError(t, err)
		assert.Equal(t, string(want), string(have), "%s is not current: run `make generate`", name)
	}
}

func run(t *testing.T, folder, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = folder
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
}
