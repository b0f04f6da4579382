package render

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gruntwork-io/terratest/modules/helm"
	"github.com/gruntwork-io/terratest/modules/logger"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/chart"
)

// What the suites render in process is what the helm command renders, to the byte.
func TestHelmRendersTheSameBytes(t *testing.T) {
	t.Parallel()
	for _, file := range append(valuesFiles(t), filepath.Join(chart.Dir(), "values.yaml")) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			set := chart.Values{"config.MODEL_NAME": `"other"`, "schedules.a": `{"schedule": "@daily", "task": "\"a\", b"}`}
			helmOptions := &helm.Options{ValuesFiles: []string{file}, SetJSONValues: set, Logger: logger.Discard}
			want, err := helm.RenderTemplateContextE(t, t.Context(), helmOptions, chart.Dir(), "ai-agent", nil)
			require.NoError(t, err)
			have, err := chart.Template(t, chart.Options{Files: []string{file}, Set: set})
			require.NoError(t, err)
			assert.Equal(t, want, strings.TrimSpace(have))
		})
	}
}

// What they refuse it refuses, in the same words.
func TestHelmRefusesInTheSameWords(t *testing.T) {
	t.Parallel()
	set := chart.Values{"replicaCount": `"two"`, "agnet": "{}", "service.port": "0"}
	_, want := helm.RenderTemplateContextE(t, t.Context(), &helm.Options{SetJSONValues: set, Logger: logger.Discard}, chart.Dir(), "ai-agent", nil)
	require.Error(t, want)
	_, err := chart.Template(t, chart.Options{Set: set})
	require.Error(t, err)
	_, refusal, _ := strings.Cut(want.Error(), "Error: ")
	assert.ElementsMatch(t, strings.Split(strings.TrimSpace(refusal), "\n"), strings.Split(err.Error(), "\n"), "the lines, which come in any order")
}

// Helm 4 makes the same objects, of no values, of a team's and of all there are.
func TestHelm4RendersTheSame(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"values.yaml", "environments/production.yaml", "ci/everything-values.yaml"} {
		file := filepath.Join(chart.Dir(), name)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), "helm4", "template", "ai-agent", chart.Dir(), "--values", file, "--kube-version", chart.KubeVersion)
			manifest, err := cmd.CombinedOutput()
			require.NoError(t, err, string(manifest))
			objects, err := chart.Decode(string(manifest))
			require.NoError(t, err)
			assert.ElementsMatch(t, chart.Render(t, nil, file), objects)
		})
	}
}
