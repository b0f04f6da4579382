package render

import (
	"maps"
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
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
	"example.com/ai-agent/test/internal/check"
	"example.com/ai-agent/test/internal/finding"
	"example.com/ai-agent/test/internal/repo"
)

// drains has, for each preset, how the server is told the budget: a variable, or options of
// the command line. Empty for a server that has no such setting.
var drains = map[string]string{
	"celery":          "celery --app $(APP) worker --loglevel INFO",
	"gunicorn":        "GUNICORN_CMD_ARGS=--bind 0.0.0.0:8080 --graceful-timeout 910 --timeout 910 --worker-tmp-dir /dev/shm",
	"hypercorn":       "hypercorn $(APP) --bind 0.0.0.0:8080 --graceful-timeout 910",
	"langgraph":       "BG_JOB_SHUTDOWN_GRACE_PERIOD_SECS=910",
	"litellm":         "",
	"mcp-server":      "UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN=910",
	"n8n":             "N8N_GRACEFUL_SHUTDOWN_TIMEOUT=910",
	"node":            "",
	"open-webui":      "",
	"sandbox":         "",
	"slack-bot":       "",
	"temporal-worker": "",
	"uvicorn":         "UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN=910",
	"vllm":            "$(MODEL) --port 8080 --shutdown-timeout 910",
}

// acceptedOfPresets are the findings that a preset has for a reason, by their ID.
var acceptedOfPresets = map[string]map[string]string{
	"gunicorn":   {"kube-score": noPath},
	"hypercorn":  {"kube-score": noPath},
	"langgraph":  {"kube-score": "the image has the user 1000"},
	"mcp-server": {"kube-score": onlyOnce},
	"n8n":        {"kube-score": "the image has the user 1000"},
	"node":       {"kube-score": noPath},
	"open-webui": {"kube-score": "the image expects root", "pod-security": "the image expects root"},
	"sandbox":    {"kube-score": noPath},
	"uvicorn":    {"kube-score": noPath},
	"vllm":       {"rollout-reduces-capacity": "a surge needs a GPU that is free"},
}

const (
	noPath   = "the server has no path for probes: two of them only connect"
	onlyOnce = "the server may run only once"
)

// withPreset are the options of a render with a preset and what every user adds to it.
func withPreset(name string, set chart.Values) chart.Options {
	own := ownImage("registry.internal/team/agent").With("secret.existingSecret", "agent")
	if name != "sandbox" {
		own = own.With("networkPolicy.egress.https", true)
	}
	return chart.Options{Files: []string{filepath.Join(chart.Dir(), "presets", name+".yaml")}, Set: own.And(set)}
}

// presets returns the names of the presets.
func presets(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(chart.Dir(), "presets", "*.yaml"))
	require.NoError(t, err)
	var names []string
	for _, file := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(file), ".yaml"))
	}
	return names
}

// Each preset passes the budget and the port to its server: the setting follows
// agent.maxRunSeconds and containerPort.
func TestPresetsPassTheBudget(t *testing.T) {
	t.Parallel()
	require.ElementsMatch(t, slices.Collect(maps.Keys(drains)), presets(t))
	for name, want := range drains {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			manifest, err := charttest.Template(t, withPreset(name, chart.Values{"agent.maxRunSeconds": 900, "containerPort": 8080}))
			require.NoError(t, err)
			objects, err := chart.Decode(manifest)
			require.NoError(t, err)
			pod := charttest.One[*appsv1.Deployment](t, objects).Spec.Template.Spec
			assert.GreaterOrEqual(t, *pod.TerminationGracePeriodSeconds, int64(910))
			told := []string{expand(pod.Containers[0])}
			for variable, value := range charttest.One[*corev1.ConfigMap](t, objects).Data {
				told = append(told, variable+"="+value)
			}
			if want != "" {
				assert.Contains(t, told, want)
			}
		})
	}
}

// expand returns the command line as the kubelet expands it: with the variables of env.
func expand(container corev1.Container) string {
	words := strings.Join(append(slices.Clone(container.Command), container.Args...), " ")
	for _, variable := range container.Env {
		words = strings.ReplaceAll(words, "$("+variable.Name+")", variable.Value)
	}
	return words
}

// Each preset passes every rule and check, but for what its server requires, and nothing
// of the sample agent is left.
func TestPresetsPassEveryCheck(t *testing.T) {
	t.Parallel()
	set, err := check.New(charttest.Own(t))
	require.NoError(t, err)
	sample := slices.Collect(maps.Keys(configOf(t, nil).Data))
	for _, name := range presets(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options := withPreset(name, nil)
			for _, f := range charttest.Findings(t, options) {
				if f.Severity.AtLeast(finding.Warning) {
					assert.NotEmpty(t, acceptedOfPresets[name][f.ID], "%+v", f)
				}
			}
			manifest, err := charttest.Template(t, options)
			require.NoError(t, err)
			assert.NotContains(t, manifest, "/agent\n", "the sample agent's program")
			objects, err := chart.Decode(manifest)
			require.NoError(t, err)
			for _, variable := range sample {
				assert.NotContains(t, charttest.One[*corev1.ConfigMap](t, objects).Data, variable)
			}
			findings, err := set.Run(t.Context(), check.Subject{Manifest: manifest, Objects: objects})
			require.NoError(t, err)
			for _, f := range findings {
				assert.NotEmpty(t, acceptedOfPresets[name][f.ID], "%+v", f)
			}
		})
	}
}

// A page of values, of which a comment gives the source.
func TestPresetsNameTheirSource(t *testing.T) {
	t.Parallel()
	for _, name := range presets(t) {
		text, err := os.ReadFile(filepath.Join(chart.Dir(), "presets", name+".yaml"))
		require.NoError(t, err)
		assert.Regexp(t, regexp.MustCompile(`(?m)^# Source: `), string(text), name)
		assert.Contains(t, string(text), "-f presets/"+name+".yaml", name)
		assert.Less(t, strings.Count(string(text), "\n"), 50, "%s: more than a page", name)
	}
}

// A values file after a preset takes precedence over it.
func TestValuesOverrideAPreset(t *testing.T) {
	t.Parallel()
	options := withPreset("gunicorn", chart.Values{
		"config.GUNICORN_CMD_ARGS": "--graceful-timeout 400 --timeout 0", "readinessProbe": chart.Map{"tcpSocket": nil, "httpGet": chart.Map{"path": "/up"}},
		"livenessProbe": chart.Map{"httpGet": chart.Map{"path": "/alive"}},
	})
	manifest, err := charttest.Template(t, options)
	require.NoError(t, err)
	objects, err := chart.Decode(manifest)
	require.NoError(t, err)
	assert.Equal(t, "--graceful-timeout 400 --timeout 0", charttest.One[*corev1.ConfigMap](t, objects).Data["GUNICORN_CMD_ARGS"])
	agent := charttest.One[*appsv1.Deployment](t, objects).Spec.Template.Spec.Containers[0]
	assert.Equal(t, "/up", agent.ReadinessProbe.HTTPGet.Path)
	assert.Nil(t, agent.ReadinessProbe.TCPSocket)
	assert.Equal(t, "/alive", agent.LivenessProbe.HTTPGet.Path)
}

// Workloads that people run, with their preset: no rule refuses them, and what is left of
// a values file is about the workload.
func TestWorkloadsRenderWithTheirPreset(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(repo.Path("test", "testdata", "workloads", "*.yaml"))
	require.NoError(t, err)
	require.Len(t, files, 9)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			first, _, _ := strings.Cut(string(text), "\n")
			preset, found := strings.CutPrefix(first, "# preset: ")
			require.True(t, found, "the first line names the preset")
			for _, f := range charttest.Findings(t, chart.Options{Files: []string{filepath.Join(chart.Dir(), "presets", preset+".yaml"), file}}) {
				assert.NotEqual(t, finding.Error, f.Severity, "%+v", f)
			}
		})
	}
}

// The sandbox has a kernel of its own, no token, and no way out: it may not even resolve
// names, and admits only pods of its namespace.
func TestSandboxIsClosed(t *testing.T) {
	t.Parallel()
	manifest, err := charttest.Template(t, withPreset("sandbox", nil))
	require.NoError(t, err)
	objects, err := chart.Decode(manifest)
	require.NoError(t, err)
	pod := charttest.One[*appsv1.Deployment](t, objects).Spec.Template.Spec
	assert.Equal(t, "gvisor", *pod.RuntimeClassName)
	assert.False(t, *pod.AutomountServiceAccountToken)
	policy := charttest.One[*networkingv1.NetworkPolicy](t, objects).Spec
	assert.Empty(t, policy.Egress)
	assert.Contains(t, policy.PolicyTypes, networkingv1.PolicyTypeEgress)
	assert.Equal(t, &metav1.LabelSelector{}, policy.Ingress[0].From[0].PodSelector)
	assert.Nil(t, policy.Ingress[0].From[0].NamespaceSelector)
}
