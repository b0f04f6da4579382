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
	"example.com/ai-agent/test/internal/charttest"
)

// The suites render in process what the helm command renders, byte for byte.
func TestHelmRendersTheSameBytes(t *testing.T) {
	t.Parallel()
	for _, file := range charttest.ValuesFiles(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			set := chart.Values{"config.MODEL_NAME": "other", "schedules.a": chart.Map{"schedule": "@daily", "task": `"a", b`}}
			helmOptions := &helm.Options{ValuesFiles: []string{file, charttest.File(t, set)}, Logger: logger.Discard}
			want, err := helm.RenderTemplateContextE(t, t.Context(), helmOptions, chart.Dir(), "ai-agent", nil)
			require.NoError(t, err)
			have, err := charttest.Template(t, chart.Options{Files: []string{file}, Set: set})
			require.NoError(t, err)
			assert.Equal(t, want, strings.TrimSpace(have))
		})
	}
}

// They refuse what the helm command refuses, with the same text.
func TestHelmRefusesInTheSameWords(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]chart.Values{
		"the schema": {"replicaCount": "two", "agnet": chart.Map{}, "service.port": 0},
		"rules":      {"image.tag": "latest", "terminationGracePeriodSeconds": 30},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			helmOptions := &helm.Options{ValuesFiles: []string{charttest.File(t, set)}, Logger: logger.Discard}
			_, want := helm.RenderTemplateContextE(t, t.Context(), helmOptions, chart.Dir(), "ai-agent", nil)
			require.Error(t, want)
			_, err := charttest.Template(t, chart.Options{Set: set})
			require.Error(t, err)
			_, refusal, _ := strings.Cut(want.Error(), "Error: ")
			refusal, _, _ = strings.Cut(refusal, "\n\nUse --debug flag")
			assert.ElementsMatch(t, strings.Fields(refusal), strings.Fields(err.Error()), "the words: violations are in any order")
		})
	}
}

// Helm 4 renders the same objects: of the defaults, of an environment, and of every
// option.
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
			assert.ElementsMatch(t, charttest.Render(t, nil, file), objects)
		})
	}
}
