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
	"sigs.k8s.io/yaml"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/repo"
)

// readWhole are values that a template hands on as they are: what lies in them
// is not read one by one.
var readWhole = []string{
	"autoscaling.behavior", "config", "grafanaDashboard.labels", "livenessProbe", "podSecurityContext", "readinessProbe",
	"secret.stringData", "securityContext", "startupProbe", "strategy",
}

// unread are values that no template reads, each with its reason.
var unread = map[string]string{
	"global":  "a parent chart's",
	"enabled": "read by a parent chart's condition",
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
		if unread[path] != "" {
			assert.NotContains(t, templates, ".Values."+path)
			continue
		}
		last := path[strings.LastIndex(path, ".")+1:]
		read := regexp.MustCompile(`\.` + regexp.QuoteMeta(last) + `\b|"` + regexp.QuoteMeta(last) + `"`)
		assert.True(t, read.MatchString(templates), "no template reads %s", path)
	}
	for _, match := range regexp.MustCompile(`\$?(?:\.root)?\.Values\.([A-Za-z_.]+)|\$values\.([A-Za-z_.]+)`).FindAllStringSubmatch(templates, -1) {
		path := match[1] + match[2]
		assert.True(t, declared(values, path), "a template reads %s, which values.yaml lacks", path)
	}
}

// A null, which is how helm takes a value away, is either told by its path or
// leaves a release that is whole. Nothing breaks inside of a template.
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
			maps.DeleteFunc(set, func(other, _ string) bool { return strings.HasPrefix(other, path+".") })
			manifest, err := chart.Template(t, chart.Options{Set: set.With(path, "null"), APIVersions: chart.MonitoringAPIs})
			if err != nil {
				last := path[strings.LastIndex(path, ".")+1:]
				assert.Regexp(t, `missing property.*'`+last+`'|execution error at \([^)]*guards`, err.Error())
				return
			}
			_, err = chart.Decode(manifest)
			require.NoError(t, err)
		})
	}
}

// everything switches on what is off by default, so that every template is made.
var everything = aHost.And(aGateway).And(chart.Values{
	"schedules.a": `{"schedule": "@daily", "task": "a"}`, "serviceMonitor.enabled": "true", "prometheusRule.enabled": "true", "grafanaDashboard.enabled": "true",
})

// everyPath lists the dotted paths of all values: of the sections too, and of what
// lies in them but for those that are named whole.
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

// leaves lists the paths of the values that hold no further ones, or that are read
// whole.
func leaves(values map[string]any) []string {
	all := everyPath(values, "", readWhole...)
	return slices.DeleteFunc(slices.Clone(all), func(path string) bool {
		return slices.ContainsFunc(all, func(other string) bool { return strings.HasPrefix(other, path+".") })
	})
}

func readTemplates(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, pattern := range []string{"templates/*", "templates/tests/*", "files/*"} {
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

// values.schema.json and the chart's README are derived, never edited.
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
		assert.Equal(t, string(want), string(have), "%s is not what values.yaml says: run `make generate`", name)
	}
}

func run(t *testing.T, folder, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = folder
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
}
