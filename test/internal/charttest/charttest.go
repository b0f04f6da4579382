// Package charttest renders the chart ai-agent for tests.
package charttest

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/finding"
)

// own loads the chart ai-agent once.
var own = sync.OnceValues(func() (*chart.Chart, error) { return chart.Load(chart.Dir()) })

// Own returns the chart ai-agent.
func Own(t testing.TB) *chart.Chart {
	t.Helper()
	c, err := own()
	require.NoError(t, err)
	return c
}

// Template renders the chart ai-agent. Errors have Helm's text.
func Template(t testing.TB, options chart.Options) (string, error) {
	t.Helper()
	return Own(t).Render(options)
}

// Render renders the chart ai-agent with values that take precedence over values
// files. The test fails if the render fails or the manifest does not decode strictly.
func Render(t testing.TB, set chart.Values, files ...string) chart.Objects {
	t.Helper()
	manifest, err := Template(t, chart.Options{Set: set, Files: files})
	require.NoError(t, err)
	objects, err := chart.Decode(manifest)
	require.NoError(t, err)
	return objects
}

// One returns the only object of a type. The test fails if there is none, or several.
func One[T runtime.Object](t testing.TB, objects chart.Objects) T {
	t.Helper()
	found := chart.All[T](objects)
	require.Lenf(t, found, 1, "objects of type %T", *new(T))
	return found[0]
}

// Findings returns what is wrong with values for the chart ai-agent.
func Findings(t testing.TB, options chart.Options) []finding.Finding {
	t.Helper()
	findings, err := Own(t).Findings(options)
	require.NoError(t, err)
	return findings
}

// File returns the path of a values file with these values.
func File(t testing.TB, values chart.Values) string {
	t.Helper()
	text, err := values.YAML()
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "values.yaml")
	require.NoError(t, os.WriteFile(file, text, 0o600))
	return file
}

// ValuesFiles returns the values files of the chart: its defaults, its environments and
// its fixtures.
func ValuesFiles(t testing.TB) []string {
	t.Helper()
	files := []string{filepath.Join(chart.Dir(), "values.yaml")}
	for _, folder := range []string{"environments", "ci"} {
		found, err := filepath.Glob(filepath.Join(chart.Dir(), folder, "*.yaml"))
		require.NoError(t, err)
		require.NotEmpty(t, found, folder)
		files = append(files, found...)
	}
	return files
}

// Parent writes the chart shop, which depends on the chart ai-agent, into a folder:
// once, or once under each alias.
func Parent(t testing.TB, aliases ...string) string {
	t.Helper()
	parent := t.TempDir()
	require.NoError(t, os.CopyFS(filepath.Join(parent, "charts", "ai-agent"), os.DirFS(chart.Dir())))
	dependencies := chart.List{chart.Map{"name": "ai-agent", "version": ">=0.1.0", "condition": "ai-agent.enabled"}}
	if len(aliases) > 0 {
		dependencies = nil
	}
	for _, alias := range aliases {
		dependencies = append(dependencies, chart.Map{"name": "ai-agent", "version": ">=0.1.0", "alias": alias})
	}
	metadata, err := yaml.Marshal(chart.Map{"apiVersion": "v2", "name": "shop", "version": "1.0.0", "dependencies": dependencies})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(parent, "Chart.yaml"), metadata, 0o600))
	return parent
}
