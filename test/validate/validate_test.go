package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
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
	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/check"
	"example.com/ai-agent/test/internal/repo"
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
		"one document":      {"# mine\n---\nagent: {type: api}\n---\n# no more\n", 0, []string{"0 errors"}},
		"a misspelt key":    {"agent: {maxRunSecond: 600}", exitErrors, []string{"values-schema", "agent", "Known here: endpointDelaySeconds, maxRunSeconds,"}},
		"two wrong values":  {"agent: {type: huge}\nreplicaCount: -1", exitErrors, []string{"2 errors", "agent.type", "replicaCount"}},
		"a cut run":         {"terminationGracePeriodSeconds: 30", exitErrors, []string{"values-guard", "would cut a run", "→ Set terminationGracePeriodSeconds to 330"}},
		"a small limit":     {"resources: {limits: {memory: 512Mi}}", exitWarnings, []string{"pitfall-memory-limit", "Deployment/ai-agent", "spec.template.spec.containers[0].", "512Mi"}},
		"a bad sidecar":     {"extraContainers: [{name: proxy, image: proxy:1}]", exitErrors, []string{"pod-security", "practice-requests-and-limits"}},
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
		"two documents":          {nil, "agent: {type: api}\n---\nreplicaCount: 1", "has 2 YAML documents"},
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

// consumer is a folder as a consumer of the chart has it: the packaged chart,
// values, and nothing of this repository.
func consumer(t *testing.T) (folder, archive string) {
	t.Helper()
	folder = t.TempDir()
	must(t, exec.CommandContext(t.Context(), "helm", "package", chart.Dir(), "--destination", folder))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "my.yaml"), []byte("agent: {type: api}"), 0o600))
	archives, err := filepath.Glob(filepath.Join(folder, "*.tgz"))
	require.NoError(t, err)
	require.Len(t, archives, 1)
	return folder, filepath.Base(archives[0])
}

func must(t *testing.T, command *exec.Cmd) string {
	t.Helper()
	out, err := command.CombinedOutput()
	require.NoError(t, err, string(out))
	return string(out)
}

// The binary alone, on a machine with nothing else.
func TestBinaryAlone(t *testing.T) {
	t.Parallel()
	folder, archive := consumer(t)
	must(t, exec.CommandContext(t.Context(), "go", "build", "-o", folder, "."))
	command := exec.CommandContext(t.Context(), "./validate", "--chart", archive, "-o", "json", "my.yaml")
	command.Dir = folder
	command.Env = []string{"PATH=/nowhere"}
	out := must(t, command)
	var found struct{ Findings []check.Finding }
	require.NoError(t, json.Unmarshal([]byte(out), &found), out)
	require.Len(t, found.Findings, 1)
	assert.Equal(t, check.Info, found.Findings[0].Severity)
	assert.Contains(t, found.Findings[0].Problem, "neither kube-score nor go is on PATH")
}

// One Go command by its version, as from the module proxy of a team. All of it
// runs: kube-score is built as well.
func TestByVersion(t *testing.T) {
	t.Parallel()
	published := module.Version{Path: "example.com/ai-agent", Version: "v0.2.0"}
	proxy := t.TempDir()
	publish(t, proxy, published)
	proxies := must(t, exec.CommandContext(t.Context(), "go", "env", "GOPROXY"))
	folder, archive := consumer(t)
	tool, err := exec.LookPath("go")
	require.NoError(t, err)
	command := exec.CommandContext(t.Context(), tool, "run", published.Path+"/test/validate@"+published.Version, "--chart", archive, "my.yaml")
	command.Dir = folder
	command.Env = append(os.Environ(), "PATH="+filepath.Dir(tool), "GOPROXY=file://"+proxy+","+strings.TrimSpace(proxies), "GONOSUMDB="+published.Path)
	assert.Contains(t, must(t, command), "0 errors, 0 warnings, 0 notes")
}

// publish puts this repository as it is now into the folder of a Go module proxy.
func publish(t *testing.T, proxy string, as module.Version) {
	t.Helper()
	forget(t, as) // what an aborted run left
	t.Cleanup(func() { forget(t, as) })
	folder := filepath.Join(proxy, as.Path, "@v")
	require.NoError(t, os.MkdirAll(folder, 0o755))
	var files []zip.File
	for name := range strings.Lines(must(t, exec.CommandContext(t.Context(), "git", "-C", repo.Path(), "ls-files"))) {
		files = append(files, tracked(strings.TrimSpace(name)))
	}
	var archive bytes.Buffer
	require.NoError(t, zip.Create(&archive, as, files))
	mod, err := os.ReadFile(repo.Path("go.mod"))
	require.NoError(t, err)
	for name, data := range map[string][]byte{
		"list": []byte(as.Version + "\n"), as.Version + ".info": []byte(`{"Version": "` + as.Version + `"}`),
		as.Version + ".mod": mod, as.Version + ".zip": archive.Bytes(),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), data, 0o600))
	}
}

// forget takes a module out of Go's cache, which would not look at the proxy again.
func forget(t *testing.T, m module.Version) {
	cache := strings.TrimSpace(must(t, exec.Command("go", "env", "GOMODCACHE"))) // not the test's context: it may have ended
	unpacked := filepath.Join(cache, m.Path+"@"+m.Version)
	_ = exec.Command("chmod", "--recursive", "u+w", unpacked).Run() // it may not be there
	require.NoError(t, os.RemoveAll(unpacked))
	require.NoError(t, os.RemoveAll(filepath.Join(cache, "cache", "download", m.Path)))
}

// tracked is a file of this repository by its path from the top.
type tracked string

func (f tracked) Path() string                 { return string(f) }
func (f tracked) Lstat() (os.FileInfo, error)  { return os.Lstat(repo.Path(string(f))) }
func (f tracked) Open() (io.ReadCloser, error) { return os.Open(repo.Path(string(f))) }
