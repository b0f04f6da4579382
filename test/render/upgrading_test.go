package render

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/Masterminds/semver/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
	"example.com/ai-agent/test/internal/finding"
	"example.com/ai-agent/test/internal/repo"
)

// Every breaking change since a released chart is in UPGRADING.md, in a section newer than
// that chart: defaults that are refused or changed, values and objects that are gone,
// changed selectors. It requires a new minor version, or from 1.0.0 on a new major one.
func TestBreakingChangesAreInUpgrading(t *testing.T) {
	t.Parallel()
	archives, err := filepath.Glob(repo.Path("test", "testdata", "releases", "*.tgz"))
	require.NoError(t, err)
	require.NotEmpty(t, archives)
	current := charttest.Own(t)
	version := versionOf(t, current)
	for _, archive := range archives {
		t.Run(filepath.Base(archive), func(t *testing.T) {
			t.Parallel()
			old := load(t, archive)
			breaking := breakingChanges(t, old, current)
			guide := upgradingFrom(t, versionOf(t, old))
			for _, change := range breaking {
				assert.Contains(t, guide, "`"+change+"`", "UPGRADING.md, from %s", filepath.Base(archive))
			}
			if before := versionOf(t, old); len(breaking) > 0 && before != version {
				assert.True(t, mayBreak(t, before, version), "%s breaks what %s has", version, before)
			}
		})
	}
}

// Each kind of breaking change is found.
func TestBreakingChangesAreFound(t *testing.T) {
	t.Parallel()
	old := charttest.Own(t)
	assert.Empty(t, breakingChanges(t, old, old))
	for name, tc := range map[string]struct{ file, from, to, change string }{
		"a value that is gone":    {"values.schema.json", `"revisionHistoryLimit": {`, `"historyLimit": {`, "revisionHistoryLimit"},
		"another default":         {"values.yaml", "  sizeLimit: 1Gi", "  sizeLimit: 2Gi", "tmp.sizeLimit"},
		"an object that is gone":  {"templates/_names.tpl", "}}-service", "}}-svc", "Service/ai-agent-service"},
		"an immutable field":      {"templates/_names.tpl", `.worker | default "server" | quote }}`, `.worker | default "agent" | quote }}`, "Deployment/ai-agent spec.selector"},
		"a rule that now refuses": {"templates/validation/_timing.tpl", `{{- define "ai-agent.rule.grace-period-too-short" -}}`, `{{- define "ai-agent.rule.grace-period-too-short" -}}` + "\n- {path: [terminationGracePeriodSeconds], problem: a, fix: b}", "terminationGracePeriodSeconds"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := filepath.Join(t.TempDir(), "ai-agent")
			require.NoError(t, os.CopyFS(folder, os.DirFS(chart.Dir())))
			path := filepath.Join(folder, tc.file)
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Contains(t, string(text), tc.from)
			require.NoError(t, os.WriteFile(path, []byte(strings.Replace(string(text), tc.from, tc.to, 1)), 0o600))
			assert.Contains(t, breakingChanges(t, old, load(t, folder)), tc.change)
		})
	}
	for _, tc := range []struct {
		before, after string
		may           bool
	}{{"0.1.0", "0.2.0", true}, {"0.2.0-1", "0.2.0", true}, {"0.1.0", "0.1.1", false}, {"0.9.0", "1.0.0", true}, {"1.1.0", "1.2.0", false}, {"1.1.0", "2.0.0", true}} {
		assert.Equal(t, tc.may, mayBreak(t, tc.before, tc.after), "%s to %s", tc.before, tc.after)
	}
}

// breakingChanges returns what a user of the old chart has to know of the new one.
func breakingChanges(t *testing.T, old, current *chart.Chart) []string {
	t.Helper()
	before, err := old.Defaults()
	require.NoError(t, err)
	after, err := current.Defaults()
	require.NoError(t, err)
	found := map[string]bool{}
	findings, err := current.Findings(chart.Options{Read: before})
	require.NoError(t, err)
	for _, f := range findings {
		if f.Severity == finding.Error {
			found[f.Path.String()] = true
		}
	}
	mine := defaultsOf(after, "")
	for path, value := range defaultsOf(before, "") {
		if other, exists := mine[path]; exists && other != value {
			found[path] = true
		}
	}
	now := objectsOf(t, current)
	for name, selector := range objectsOf(t, old) {
		other, exists := now[name]
		switch {
		case !exists:
			found[name] = true
		case other != selector:
			found[name+" spec.selector"] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// defaultsOf returns the JSON of the values that are no mappings, by their paths.
func defaultsOf(values chart.Map, at string) map[string]string {
	found := map[string]string{}
	for key, value := range values {
		path := strings.TrimPrefix(at+"."+key, ".")
		if inner, isMap := value.(chart.Map); isMap && len(inner) > 0 {
			maps.Copy(found, defaultsOf(inner, path))
			continue
		}
		text, _ := json.Marshal(value) // it comes from JSON
		found[path] = string(text)
	}
	return found
}

// objectsOf returns the objects of an install with no values, as Kind/name, with the
// selector of a Deployment, which is immutable.
func objectsOf(t *testing.T, c *chart.Chart) map[string]string {
	t.Helper()
	manifest, _ := c.RenderAnyway(chart.Options{}) // also if it refuses its own defaults
	objects, err := chart.Decode(manifest)
	require.NoError(t, err)
	found := map[string]string{}
	for _, object := range objects {
		accessor, err := meta.Accessor(object)
		require.NoError(t, err)
		selector := ""
		if deployment, is := object.(*appsv1.Deployment); is {
			selector = fmt.Sprint(deployment.Spec.Selector)
		}
		found[object.GetObjectKind().GroupVersionKind().Kind+"/"+accessor.GetName()] = selector
	}
	return found
}

// mayBreak reports whether semantic versioning allows a version to break an earlier one.
func mayBreak(t *testing.T, earlier, later string) bool {
	t.Helper()
	before, err := semver.NewVersion(earlier)
	require.NoError(t, err)
	after, err := semver.NewVersion(later)
	require.NoError(t, err)
	if before.Prerelease() != "" || before.Major() > 0 {
		return before.Prerelease() != "" || after.Major() > before.Major()
	}
	return after.Major() > 0 || after.Minor() > before.Minor()
}

// upgradingFrom returns the sections of UPGRADING.md that are newer than a version.
func upgradingFrom(t *testing.T, version string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(chart.Dir(), "UPGRADING.md"))
	require.NoError(t, err)
	from, err := semver.NewVersion(version)
	require.NoError(t, err)
	var newer strings.Builder
	for section := range strings.SplitSeq(string(text), "\n## ") {
		heading, body, _ := strings.Cut(section, "\n")
		if to, err := semver.NewVersion(heading); err == nil && to.GreaterThan(from) {
			newer.WriteString(body)
		}
	}
	return newer.String()
}

func load(t *testing.T, path string) *chart.Chart {
	t.Helper()
	c, err := chart.Load(path)
	require.NoError(t, err)
	return c
}

func versionOf(t *testing.T, c *chart.Chart) string {
	t.Helper()
	metadata, err := c.Metadata()
	require.NoError(t, err)
	return metadata.Version
}
