package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/check"
	"example.com/ai-agent/test/internal/finding"
	"example.com/ai-agent/test/internal/repo"
	"example.com/ai-agent/test/internal/report"
)

// consumer returns a folder with the packaged chart, a values file, and nothing of
// this repository.
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

// build returns the command as a binary, which is built once.
var build = sync.OnceValues(func() (string, error) {
	binary := filepath.Join(binaries, "validate")
	out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return binary, nil
})

// The binary needs nothing else: without kube-score and kube-validate, notes say so.
func TestBinaryAlone(t *testing.T) {
	t.Parallel()
	folder, archive := consumer(t)
	binary, err := build()
	require.NoError(t, err)
	command := exec.CommandContext(t.Context(), binary, "--chart", archive, "-o", "json", "my.yaml")
	command.Dir = folder
	command.Env = []string{"PATH=/nowhere"}
	found := findings(t, must(t, command))
	require.Len(t, found, 2)
	for i, id := range []string{"kubernetes", "kube-score"} {
		assert.Equal(t, id, found[i].ID)
		assert.Equal(t, string(finding.Info), found[i].Severity)
	}
}

// A consumer's chart depends on the packaged chart, under an alias: what is wrong has the
// path of the alias.
func TestConsumersChart(t *testing.T) {
	t.Parallel()
	folder, archive := consumer(t)
	binary, err := build()
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(filepath.Join(folder, "charts"), 0o700))
	require.NoError(t, os.Rename(filepath.Join(folder, archive), filepath.Join(folder, "charts", archive)))
	metadata := "{apiVersion: v2, name: team, version: 1.0.0, dependencies: [{name: ai-agent, version: '>=0.1.0', alias: research}]}"
	require.NoError(t, os.WriteFile(filepath.Join(folder, "Chart.yaml"), []byte(metadata), 0o600))
	for values, want := range map[string][]string{
		"research: {config: {A_KEY: a}}":    {"config-credential research.config.A_KEY"},
		"research: {config: {A_LEVEL: a}}":  nil,
		"research: {image: {tagg: latest}}": {"values-schema research.image.tagg"},
	} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, "my.yaml"), []byte(values), 0o600))
		command := exec.CommandContext(t.Context(), binary, "--chart", ".", "-o", "json", "my.yaml")
		command.Dir = folder
		out, _ := command.Output() // the exit code tells the severity
		var found []string
		for _, f := range findings(t, string(out)) {
			if f.Severity == string(finding.Error) {
				found = append(found, f.ID+" "+f.Path)
			}
		}
		assert.Subset(t, found, want, values)
		assert.Equal(t, want == nil, found == nil, values)
	}
}

// With --server, a cluster that cannot be asked is an error, in one line and soon.
func TestServerThatCannotBeAsked(t *testing.T) {
	t.Parallel()
	binary, err := build()
	require.NoError(t, err)
	const cluster = "clusters: [{name: a, cluster: {server: 'https://127.0.0.1:1'}}]\ncontexts: [{name: a, context: {cluster: a}}]\n"
	for name, tc := range map[string]struct{ kubeconfig, says string }{
		"no kubeconfig":  {"", "no current context"},
		"no context":     {cluster, "no current context"},
		"a lost context": {cluster + "current-context: b\n", "no current context"},
		"no server":      {cluster + "current-context: a\n", "the cluster of the context a cannot be reached"},
		"no YAML":        {"{", "kubeconfig cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			command := exec.CommandContext(t.Context(), binary, "--chart", chart.Dir(), "--server")
			command.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "KUBECONFIG=" + write(t, tc.kubeconfig)}
			var stdout, stderr bytes.Buffer
			command.Stdout, command.Stderr = &stdout, &stderr
			_ = command.Run()
			assert.Equal(t, report.ExitUnable, command.ProcessState.ExitCode(), stdout.String())
			assert.Empty(t, stdout.String())
			assert.Contains(t, stderr.String(), tc.says)
			assert.Equal(t, 1, strings.Count(stderr.String(), "\n"), stderr.String())
		})
	}
}

// A signal ends the command within a second, also while it waits for input or for
// kube-score, which ends too.
func TestSignalsEndTheCommand(t *testing.T) {
	t.Parallel()
	binary, err := build()
	require.NoError(t, err)
	folder := t.TempDir()
	started := filepath.Join(folder, "started")
	require.NoError(t, os.WriteFile(filepath.Join(folder, "kube-score"), []byte("#!/bin/sh\necho $$ >"+started+".tmp\nmv "+started+".tmp "+started+"\nexec sleep 60\n"), 0o700))
	readsInput := func(stdin io.Writer) bool { // more than a pipe holds: it was read, and the command waits for more
		_, err := stdin.Write(bytes.Repeat([]byte("# nothing\n"), 20_000))
		return err == nil
	}
	runsKubeScore := func(io.Writer) bool { _, err := os.Stat(started); return err == nil }
	for name, tc := range map[string]struct {
		signal os.Signal
		file   string
		waits  func(stdin io.Writer) bool
	}{
		"SIGTERM while it reads standard input": {syscall.SIGTERM, "-", readsInput},
		"SIGINT while it reads standard input":  {syscall.SIGINT, "-", readsInput},
		"SIGTERM while kube-score runs":         {syscall.SIGTERM, write(t, ""), runsKubeScore},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			command := exec.CommandContext(t.Context(), binary, "--chart", chart.Dir(), tc.file)
			command.Env = []string{"PATH=" + folder + ":" + os.Getenv("PATH")}
			var stdout, stderr bytes.Buffer
			command.Stdout, command.Stderr = &stdout, &stderr
			stdin, err := command.StdinPipe()
			require.NoError(t, err)
			require.NoError(t, command.Start())
			require.Eventually(t, func() bool { return tc.waits(stdin) }, 30*time.Second, 10*time.Millisecond)
			sent := time.Now()
			require.NoError(t, command.Process.Signal(tc.signal))
			_ = command.Wait()
			assert.Less(t, time.Since(sent), time.Second)
			assert.Equal(t, report.ExitUnable, command.ProcessState.ExitCode())
			assert.Equal(t, "validate: interrupted\n", stderr.String())
			assert.Empty(t, stdout.String())
			if pid, err := os.ReadFile(started); err == nil && tc.file != "-" {
				number, err := strconv.Atoi(strings.TrimSpace(string(pid)))
				require.NoError(t, err)
				assert.ErrorIs(t, syscall.Kill(number, 0), syscall.ESRCH, "kube-score still runs")
			}
		})
	}
}

// A released binary carries no testing code.
func TestBinaryLinksNoTestingCode(t *testing.T) {
	t.Parallel()
	packages := strings.Fields(must(t, exec.CommandContext(t.Context(), "go", "list", "-deps", ".")))
	require.Contains(t, packages, "example.com/ai-agent/test/internal/check")
	for _, name := range packages {
		for _, testing := range []string{"testing", "github.com/stretchr/testify", "github.com/gruntwork-io/terratest", "example.com/ai-agent/test/internal/charttest"} {
			assert.False(t, name == testing || strings.HasPrefix(name, testing+"/"), name)
		}
	}
}

// One Go command runs the published version, as from a team's module proxy. All
// modules are unpacked into a private cache: the developer's is only read.
func TestByVersion(t *testing.T) {
	t.Parallel()
	published := module.Version{Path: "example.com/ai-agent", Version: "v0.4.0"}
	proxy, cache := t.TempDir(), t.TempDir()
	publish(t, proxy, published)
	goEnv := func(name string) string {
		return strings.TrimSpace(must(t, exec.CommandContext(t.Context(), "go", "env", name)))
	}
	folder, archive := consumer(t)
	for name, tc := range map[string]struct {
		args   []string
		prints string
	}{
		"validate": {[]string{"--chart", archive, "my.yaml"}, "0 errors, 0 warnings, 0 notes; Kubernetes' own validation by kube-validate v"},
		"conform":  {[]string{"--list"}, "run-survives-sigterm"},
	} {
		command := exec.CommandContext(t.Context(), "go", append([]string{"run", published.Path + "/test/" + name + "@" + published.Version}, tc.args...)...)
		command.Dir = folder
		command.Env = append(os.Environ(),
			"GOMODCACHE="+cache, "GOSUMDB=off", // what is in the developer's cache has been verified
			"GOFLAGS=-modcacherw -trimpath "+os.Getenv("GOFLAGS"), // with which the path of the cache does not matter to the build cache
			"GOPROXY=file://"+proxy+",file://"+filepath.Join(goEnv("GOMODCACHE"), "cache", "download")+","+goEnv("GOPROXY"))
		assert.Contains(t, must(t, command), tc.prints)
	}
}

// publish puts the files of this repository, committed or not, into the folder of a Go module proxy.
func publish(t *testing.T, proxy string, as module.Version) {
	t.Helper()
	folder := filepath.Join(proxy, as.Path, "@v")
	require.NoError(t, os.MkdirAll(folder, 0o755))
	var files []zip.File
	for name := range strings.Lines(must(t, exec.CommandContext(t.Context(), "git", "-C", repo.Path(), "ls-files", "--cached", "--others", "--exclude-standard"))) {
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

// tracked is the path of a file, from the top of this repository.
type tracked string

func (f tracked) Path() string                 { return string(f) }
func (f tracked) Lstat() (os.FileInfo, error)  { return os.Lstat(repo.Path(string(f))) }
func (f tracked) Open() (io.ReadCloser, error) { return os.Open(repo.Path(string(f))) }

// The versions that the help names are those that the checks have.
func TestSupportedVersions(t *testing.T) {
	t.Parallel()
	versions := check.KubernetesVersions()
	require.NotEmpty(t, versions)
	first, last, found := strings.Cut(check.KubernetesRange(), " to ")
	assert.True(t, found)
	assert.True(t, strings.HasPrefix(versions[0], first+"."))
	assert.True(t, strings.HasPrefix(versions[len(versions)-1], last+"."))
}
