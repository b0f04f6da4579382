package render

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
)

// configOf renders values and returns the agent's ConfigMap.
func configOf(t *testing.T, values chart.Values) *corev1.ConfigMap {
	t.Helper()
	return charttest.One[*corev1.ConfigMap](t, charttest.Render(t, values))
}

func TestConfigMapHasTheConfiguration(t *testing.T) {
	t.Parallel()
	assert.Equal(t, map[string]string{
		"MODEL_NAME": "gpt-4o-mini", "TEMPERATURE": "0.7", "MAX_TOKENS": "4096", "ENABLE_STREAMING": "true",
		"ENABLE_TRACING": "true", "REDIS_URL": "redis://redis-service:6379", "LOG_LEVEL": "INFO",
		"DATABASE_URL":    "postgresql://postgres:5432/agents",
		"OPENAI_BASE_URL": "http://llm-service:8080/v1", // not in the specification: the sample model
	}, configOf(t, nil).Data)
}

// oddTexts are texts that YAML reads as something else unless they are quoted: numbers
// that a float cannot hold, octal and hexadecimal ones, booleans, dates, null.
var oddTexts = []string{
	"1234567890123456789", "01234", "0o17", "0x1F", "1.10", "1e5", "1_000", "0.1000000000000000055", "12:30:45", "+1", ".5", "-0", ".inf", ".nan",
	"yes", "no", "on", "off", "y", "n", "True", "~", "null", "2026-11-28", "2026-11-28T10:00:00Z", "=", "<<", "", " ", "\"a\": {{ b }}\n- c", "# a",
}

// Wherever a value becomes a text of an object, it arrives as it was quoted.
func TestQuotedTextsArriveUnchanged(t *testing.T) {
	t.Parallel()
	for _, text := range oddTexts {
		objects := charttest.Render(t, chart.Values{
			"config": chart.Map{"A": text}, "env": chart.List{chart.Map{"name": "A", "value": text}}, "args": chart.List{text},
			"podAnnotations": chart.Map{"a": text}, "service.annotations": chart.Map{"a": text}, "secret.stringData": chart.Map{"A": text},
			"commonAnnotations": chart.Map{"b": text},
		})
		deployment := charttest.One[*appsv1.Deployment](t, objects)
		agent := deployment.Spec.Template.Spec.Containers[0]
		arrived := []string{
			charttest.One[*corev1.ConfigMap](t, objects).Data["A"], agent.Env[len(agent.Env)-1].Value, agent.Args[0], deployment.Spec.Template.Annotations["a"],
			charttest.One[*corev1.Service](t, objects).Annotations["a"], string(charttest.One[*corev1.Secret](t, objects).Data["A"]), deployment.Annotations["b"],
		}
		assert.Equal(t, slices.Repeat([]string{text}, len(arrived)), arrived)
	}
}

// Unquoted, they arrive unchanged or are refused: the chart cannot tell what was written.
func TestUnquotedTextsArriveUnchangedOrAreRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"1234567890123456789", "01234", "0o17", "0x1F", "1.10", "1e5", "1_000", "0.1000000000000000055", "12:30:45", "+1", ".5", "-0",
		"yes", "no", "on", "off", "y", "n", "True", "2026-11-28", "2026-11-28T10:00:00Z",
	} {
		for _, values := range []string{
			"config: {A: %s}", "env: [{name: A, value: %s}]", "args: [%s]", "podAnnotations: {a: %s}", "commonAnnotations: {a: %s}", "podLabels: {a: %s}",
			"service: {annotations: {a: %s}}", "secret: {stringData: {A: %s}}", "version: %s", "image: {repository: a, tag: %s}",
			"secret: {secretProviderClass: {provider: a, parameters: {a: %s}}}",
		} {
			file := filepath.Join(t.TempDir(), "values.yaml")
			require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, values, text), 0o600))
			manifest, err := charttest.Template(t, chart.Options{Files: []string{file}})
			if err != nil {
				assert.Regexp(t, `config-not-text|got (number|boolean), want|does not match pattern|is not valid`, err.Error(), "%s in %s", text, values)
				continue
			}
			asText, err := yaml.Marshal(text) // as the manifest has it, or quoted
			require.NoError(t, err)
			pattern := fmt.Sprintf(`(?m)(: |- |:)(%s|%q|%s)$`, regexp.QuoteMeta(strings.TrimSpace(string(asText))), text, base64.StdEncoding.EncodeToString([]byte(text)))
			assert.Regexp(t, pattern, manifest, "%s in %s", text, values)
		}
	}
}

// A pod reads its environment when it starts: a change must replace the pods, and
// nothing else may.
func TestPodsAreReplacedWhenTheirEnvironmentChanges(t *testing.T) {
	t.Parallel()
	template := func(values chart.Values) corev1.PodTemplateSpec { return deploymentOf(t, values).Spec.Template }
	before := template(nil)
	assert.Equal(t, before, template(chart.Values{"service.port": 8080}))
	for _, values := range []chart.Values{
		{"config.MODEL_NAME": "other"},
		{"secret.stringData.OPENAI_API_KEY": "sk-test"},
	} {
		assert.NotEqual(t, before, template(values), "%v", values)
	}
	budget := func(seconds int) corev1.PodTemplateSpec {
		return template(chart.Values{"terminationGracePeriodSeconds": 900, "agent.maxRunSeconds": seconds})
	}
	assert.NotEqual(t, budget(300), budget(600), "a new run budget, even if the grace period remains the same")
}

// What the kubelet expands in env, the chart expands in config: the names that it sets, and
// no others.
func TestConfigGetsTheBudget(t *testing.T) {
	t.Parallel()
	data := configOf(t, chart.Values{"agent.maxRunSeconds": 900, "containerPort": 8080, "config": chart.Map{
		"A": "--port $(PORT) --drain $(DRAIN_SECONDS)", "B": "$(MAX_RUN_SECONDS)$(MAX_RUN_SECONDS)", "C": "$(HOME) $PORT ${PORT}",
	}}).Data
	assert.Equal(t, "--port 8080 --drain 910", data["A"])
	assert.Equal(t, "900900", data["B"])
	assert.Equal(t, "$(HOME) $PORT ${PORT}", data["C"])
}

// $(PORT) is the user's PORT too.
func TestConfigGetsTheUsersPort(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "1234", configOf(t, chart.Values{"config": chart.Map{"PORT": "1234", "A": "$(PORT)"}}).Data["A"])
	assert.Equal(t, "1234", configOf(t, chart.Values{"config.A": "$(PORT)", "env": chart.List{chart.Map{"name": "PORT", "value": "1234"}}}).Data["A"])
}

// A PORT of the user's takes precedence over the chart's, wherever the values have it: the
// chart sets none, because its env would override a Secret, and two of a name are refused.
func TestConfigMayHaveItsOwnPort(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		values chart.Values
		want   []string
	}{
		"config":     {chart.Values{"config.PORT": "1234"}, nil},
		"env":        {chart.Values{"env": chart.List{chart.Map{"name": "PORT", "value": "1234"}}}, []string{"1234"}},
		"the Secret": {chart.Values{"secret.stringData.PORT": "1234"}, nil},
	} {
		var set []string
		for _, variable := range agentOf(t, tc.values).Env {
			if variable.Name == "PORT" {
				set = append(set, variable.Value)
			}
		}
		assert.Equal(t, tc.want, set, name)
	}
}

// The sample agent's configuration is one value: without it, config is what the user sets.
func TestConfigWithoutTheSample(t *testing.T) {
	t.Parallel()
	assert.Equal(t, map[string]string{"A": "b"}, configOf(t, chart.Values{"sample.enabled": false, "config.A": "b"}).Data)
	assert.NotContains(t, configOf(t, chart.Values{"config.REDIS_URL": nil}).Data, "REDIS_URL", "a null in config")
	assert.NotContains(t, configOf(t, chart.Values{"sample.config.REDIS_URL": nil}).Data, "REDIS_URL", "a null in sample.config")
}
