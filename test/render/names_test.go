package render

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/validation"
	"pgregory.net/rapid"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
)

// Selectors depend on the chart's labels, and rollouts on its checksums: no value
// replaces them.
func TestTheChartsOwnLabelsTakePrecedence(t *testing.T) {
	t.Parallel()
	mine := chart.Map{"app": "x", "app.kubernetes.io/component": "x", "version": "x", "team": "a"}
	deployment := deploymentOf(t, chart.Values{
		"commonLabels": mine, "podLabels": mine, "podAnnotations": chart.Map{"checksum/config": "x", "note": "a"},
	})
	template := deployment.Spec.Template
	assert.Subset(t, template.Labels, map[string]string{"app": "ai-agent", "app.kubernetes.io/component": "server", "version": "v1", "team": "a"})
	assert.Subset(t, deployment.Labels, map[string]string{"app": "ai-agent", "version": "v1", "team": "a"})
	assert.Equal(t, "a", template.Annotations["note"])
	assert.Len(t, template.Annotations["checksum/config"], 64)
}

// The label names the version that runs, as a valid label value.
func TestVersionLabel(t *testing.T) {
	t.Parallel()
	digest := "sha256:" + strings.Repeat("0123456789abcdef", 4)
	for name, tc := range map[string]struct {
		values chart.Values
		want   string
	}{
		"the sample agent":            {nil, "1.1.0"},
		"a tag":                       {chart.Values{"image.tag": "2.3.4"}, "2.3.4"},
		"a digest":                    {chart.Values{"image.digest": digest}, "0123456789ab"},
		"a tag and a digest":          {chart.Values{"image.tag": "2.3.4", "image.digest": digest}, "2.3.4"},
		"no digest":                   {chart.Values{"image.digest": nil}, "1.1.0"},
		"a tag longer than a label":   {chart.Values{"image.tag": strings.Repeat("a", 62) + "-b"}, strings.Repeat("a", 62)},
		"a tag that begins otherwise": {chart.Values{"image.tag": "_1.0"}, "1.0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			objects := charttest.Render(t, tc.values)
			assert.Equal(t, tc.want, charttest.One[*corev1.Service](t, objects).Labels["app.kubernetes.io/version"])
			assert.NotContains(t, deploymentOf(t, tc.values).Spec.Template.Labels, "app.kubernetes.io/version", "a new chart alone replaces no pod")
		})
	}
}

// The name of a release may look like another type of YAML.
func TestNamesAreText(t *testing.T) {
	t.Parallel()
	objects := renderOnce(t, everything.With("fullnameOverride", "on"))
	assert.Equal(t, "on", field(t, objects, "PrometheusRule/on", ".spec.groups[0].name"))
	assert.Contains(t, field(t, objects, "PrometheusRule/on", ".spec.groups[0].rules[*].expr"), `pod=~"on-[4-9bcdf]{6,10}-[2-9b-z]{5}"`)
}

// Whatever Helm takes as the name of a release, and a parent chart as aliases:
// Kubernetes takes the name of every object, and no two objects share one, or the
// render is refused.
func TestNamesAreValidAndDistinct(t *testing.T) {
	t.Parallel()
	aliases := []string{"a", "a-ai-agent", "ai-agent", "writer"}
	parent, err := chart.Load(charttest.Parent(t, aliases...))
	require.NoError(t, err)
	own := charttest.Own(t)
	word := rapid.OneOf(rapid.SampledFrom(aliases), rapid.StringMatching(`[a-z0-9]([-a-z0-9]{0,50}[a-z0-9])?`))
	release := rapid.Custom(func(t *rapid.T) string {
		separator := rapid.SampledFrom([]string{"-", "-", "."}).Draw(t, "separator")
		return strings.Join(rapid.SliceOfN(word, 1, 3).Draw(t, "words"), separator)
	}).Filter(func(name string) bool { return len(name) <= 53 })
	refused := 0
	rapid.Check(t, func(t *rapid.T) {
		name := release.Draw(t, "release")
		values := chart.Values{}
		for _, alias := range aliases {
			schedule := rapid.SampledFrom([]string{"a", "a-ai-agent", "b", "ai-agent-b"}).Draw(t, alias)
			values = values.With(alias+".schedules."+schedule, daily)
		}
		for _, subject := range []struct {
			chart  *chart.Chart
			values chart.Values
		}{{own, aSchedule}, {parent, values}} {
			manifest, err := subject.chart.Render(chart.Options{Release: name, Set: subject.values})
			if err != nil {
				require.Regexp(t, `\[(object-name-invalid|object-name-taken|schedule-name-too-long)\]`, err.Error())
				refused++
				continue
			}
			namesAreValid(t, manifest)
		}
	})
	assert.NotZero(t, refused)
}

// namesAreValid fails the test if Kubernetes refuses the name of an object, or if two
// objects of a kind share one.
func namesAreValid(t require.TestingT, manifest string) {
	objects, err := chart.Decode(manifest)
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, object := range objects {
		meta, err := apimeta.Accessor(object)
		require.NoError(t, err)
		kind := object.GetObjectKind().GroupVersionKind().Kind
		id := kind + "/" + meta.GetName()
		require.False(t, seen[id], "two of %s", id)
		seen[id] = true
		require.Empty(t, invalidName(kind, meta.GetName()), id)
		for key, value := range meta.GetLabels() {
			require.Empty(t, validation.IsValidLabelValue(value), "%s: label %s", id, key)
		}
	}
}

// invalidName returns what Kubernetes 1.34 finds wrong with the name of an object.
func invalidName(kind, name string) []string {
	switch {
	case kind == "Service":
		return validation.IsDNS1035Label(name)
	case kind == "Pod", kind == "Deployment": // their pods get it as their host name
		return validation.IsDNS1123Label(name)
	case kind == "CronJob" && len(name) > 52:
		return []string{"longer than 52 characters"}
	default:
		return validation.IsDNS1123Subdomain(name)
	}
}

// Releases that exist keep their names: an upgrade would otherwise replace every
// object.
func TestNamesOfReleasesStay(t *testing.T) {
	t.Parallel()
	for release, want := range map[string]string{
		"ai-agent":              "ai-agent",
		"prod":                  "prod-ai-agent",
		"my-ai-agent-2":         "my-ai-agent-2",
		strings.Repeat("a", 50): strings.Repeat("a", 50) + "-ai",
		strings.Repeat("a", 52): strings.Repeat("a", 52),
	} {
		manifest, err := charttest.Template(t, chart.Options{Release: release})
		require.NoError(t, err)
		objects, err := chart.Decode(manifest)
		require.NoError(t, err)
		assert.Equal(t, want, charttest.One[*appsv1.Deployment](t, objects).Name)
	}
}

// A name that is shortened never ends with a dash.
func TestShortenedNameEndsWithALetter(t *testing.T) {
	t.Parallel()
	manifest, err := charttest.Template(t, chart.Options{Release: strings.Repeat("a", 49), Set: chart.Values{"nameOverride": "b--c"}})
	require.NoError(t, err)
	objects, err := chart.Decode(manifest)
	require.NoError(t, err)
	assert.Equal(t, strings.Repeat("a", 49)+"-b", charttest.One[*appsv1.Deployment](t, objects).Name)
}

// The rule reads what the charts of a release leave in a map that Helm gives to all
// of them. Both versions of Helm do.
func TestBothHelmsRefuseSharedNames(t *testing.T) {
	t.Parallel()
	parent := charttest.Parent(t, "planner", "writer")
	for _, helm := range []string{"helm", "helm4"} {
		out, err := exec.CommandContext(t.Context(), helm, "template", "planner-writer", parent).CombinedOutput()
		require.Error(t, err, helm)
		assert.Contains(t, string(out), "[object-name-taken] fullnameOverride", helm)
		out, err = exec.CommandContext(t.Context(), helm, "template", "shop", parent).CombinedOutput()
		require.NoError(t, err, helm+": "+string(out))
	}
}
