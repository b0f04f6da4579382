package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jstemmer/go-junit-report/v2/junit"
	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"ai-agent/test/internal/chart"
	"ai-agent/test/internal/check"
	"ai-agent/test/internal/repo"
)

func TestMain(m *testing.M) {
	if err := repo.UseTools("helm", "kube-score"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// validate runs the command over values files with these contents.
func validate(t *testing.T, args []string, contents ...string) (code int, stdout, stderr string) {
	t.Helper()
	args = append([]string{"--chart", chart.Dir()}, args...)
	for _, content := range contents {
		file := filepath.Join(t.TempDir(), "my.yaml")
		require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
		args = append(args, file)
	}
	var out, errOut bytes.Buffer
	code = run(t.Context(), args, &out, &errOut)
	return code, out.String(), errOut.String()
}

func TestFindings(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		values string
		code   int
		says   []string
	}{
		"nothing wrong":     {"agent: {maxRunSeconds: 600}", 0, []string{"0 errors, 0 warnings, 0 notes"}},
		"an empty file":     {"", 0, []string{"0 errors"}},
		"a misspelt key":    {"agent: {maxRunSecond: 600}", exitErrors, []string{"values-schema", "agent", "Known here: endpointDelaySeconds, maxRunSeconds,"}},
		"two wrong values":  {"agent: {type: huge}\nreplicaCount: -1", exitErrors, []string{"2 errors", "agent.type", "replicaCount"}},
		"a cut run":         {"terminationGracePeriodSeconds: 30", exitErrors, []string{"values-guard", "would cut a run", "→ Set terminationGracePeriodSeconds to 330"}},
		"a small limit":     {"resources: {limits: {memory: 512Mi}}", exitWarnings, []string{"pitfall-memory-limit", "Deployment/ai-agent", "spec.template.spec.containers[0].", "512Mi"}},
		"a bad sidecar":     {"extraContainers: [{name: proxy, image: proxy}]", exitErrors, []string{"pod-security", "practice-pinned-image", "practice-requests-and-limits"}},
		"a foreign object":  {"extraObjects: [{apiVersion: keda.sh/v1alpha1, kind: ScaledObject, metadata: {name: a}}]", 0, []string{"1 note", "keda.sh/v1alpha1", "ScaledObject/a"}},
		"a broken object":   {"extraObjects: [{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {prots: []}}]", exitErrors, []string{"decode", "spec.prots"}},
		"a broken template": {"extraObjects: ['{{ include \"nothing\" . }}']", exitErrors, []string{"render", "nothing"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := validate(t, nil, tc.values)
			assert.Equal(t, tc.code, code, stdout)
			assert.Empty(t, stderr)
			for _, says := range tc.says {
				assert.Contains(t, stdout, says)
			}
			assert.NotContains(t, stdout, "\x1b", "no colour but on a terminal")
		})
	}
}

// Decrypted values come through a pipe, which can be read only once.
func TestPipe(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	go func() { _ = os.WriteFile(pipe, []byte("terminationGracePeriodSeconds: 30"), 0o600) }()
	code, stdout, stderr := validate(t, []string{pipe})
	assert.Equal(t, exitErrors, code, stdout+stderr)
	assert.Contains(t, stdout, "would cut a run")
}

func TestLaterFilesWin(t *testing.T) {
	t.Parallel()
	code, stdout, _ := validate(t, nil, "agent: {type: huge}", "agent: {type: api}")
	assert.Zero(t, code, stdout)
}

// What cannot be looked at is told in one line.
func TestUnable(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		args   []string
		values string
		says   string
	}{
		"a wrong path":           {[]string{"nowhere.yaml"}, "", "nowhere.yaml is not there"},
		"bad YAML":               {nil, "agent:\n\tmaxRunSeconds: 1", "line 2"},
		"a key given twice":      {nil, "agent: {type: api}\nagent: {maxRunSeconds: 900}", `key "agent" already set`},
		"a list":                 {nil, "- a", "is no values file"},
		"another chart's values": {nil, "controller: {}\nrbac: {}", "is for another chart: it has no key of this one, but controller, rbac"},
		"a manifest":             {nil, "apiVersion: v1\nkind: Pod", "is a manifest of kind Pod"},
		"no chart":               {[]string{"--chart", "/nowhere"}, "", "/nowhere is no chart"},
		"a wrong output":         {[]string{"-o", "yaml"}, "", `there is no output "yaml": use one of table, json`},
		"a wrong severity":       {[]string{"--fail-on", "fatal"}, "", `there is no severity "fatal"`},
		"a wrong version":        {[]string{"--kube-version", "new"}, "", "new"},
		"an unknown flag":        {[]string{"--nothing"}, "", "--nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := validate(t, tc.args, tc.values)
			assert.Equal(t, exitUnable, code)
			assert.Empty(t, stdout)
			assert.Contains(t, stderr, tc.says)
			assert.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
		})
	}
}

func TestFailOn(t *testing.T) {
	t.Parallel()
	const warning = "resources: {limits: {memory: 512Mi}}"
	for severity, want := range map[string]int{"error": 0, "warning": exitWarnings, "info": exitWarnings} {
		code, _, _ := validate(t, []string{"--fail-on", severity}, warning)
		assert.Equal(t, want, code, severity)
	}
}

func TestMachineReadableOutputs(t *testing.T) {
	t.Parallel()
	const values = "resources: {limits: {memory: 512Mi}}"
	_, out, _ := validate(t, []string{"-o", "json"}, values)
	var asJSON struct{ Findings []check.Finding }
	require.NoError(t, json.Unmarshal([]byte(out), &asJSON))
	require.Len(t, asJSON.Findings, 1)
	assert.Equal(t, "pitfall-memory-limit", asJSON.Findings[0].Check)

	_, out, _ = validate(t, []string{"-o", "junit"}, values)
	var asJUnit junit.Testsuites
	require.NoError(t, xml.Unmarshal([]byte(out), &asJUnit))
	assert.Equal(t, 1, asJUnit.Failures)
	assert.Greater(t, asJUnit.Tests, 15)
	_, out, _ = validate(t, []string{"-o", "junit"}, "replicaCount: -1")
	var refused junit.Testsuites
	require.NoError(t, xml.Unmarshal([]byte(out), &refused))
	assert.Equal(t, 1, refused.Failures)
	assert.Greater(t, refused.Skipped, 10, "what was not looked at has not passed")

	_, out, _ = validate(t, []string{"-o", "sarif"}, values)
	asSARIF, err := sarif.FromString(out)
	require.NoError(t, err)
	require.NoError(t, asSARIF.Validate())
	require.Len(t, asSARIF.Runs[0].Results, 1)
	assert.Equal(t, "warning", asSARIF.Runs[0].Results[0].Level)
}

func TestList(t *testing.T) {
	t.Parallel()
	code, stdout, _ := validate(t, []string{"--list"})
	assert.Zero(t, code)
	for _, id := range []string{"values-schema", "values-guard", "pod-security", "kube-score", "practice-three-probes", "pitfall-latest-tag"} {
		assert.Contains(t, stdout, id)
	}
}

// As a consumer has it: a binary, a packaged chart and nothing of this repository.
func TestOutsideTheRepository(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	must := func(command *exec.Cmd) string {
		out, err := command.CombinedOutput()
		require.NoError(t, err, string(out))
		return string(out)
	}
	must(exec.CommandContext(t.Context(), "go", "build", "-o", folder, "."))
	must(exec.CommandContext(t.Context(), "helm", "package", chart.Dir(), "--destination", folder))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "my.yaml"), []byte("agent: {type: api}"), 0o600))
	archives, err := filepath.Glob(filepath.Join(folder, "*.tgz"))
	require.NoError(t, err)
	require.Len(t, archives, 1)
	command := exec.CommandContext(t.Context(), "./validate", "--chart", filepath.Base(archives[0]), "my.yaml")
	command.Dir = folder
	command.Env = []string{"PATH=/usr/bin"}
	out := must(command)
	assert.Contains(t, out, "0 errors, 0 warnings, 1 note")
	assert.Contains(t, out, "kube-score is not on PATH")
}
