// Package up tests `make up` with a registry mirror.
package up

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/clone"
	"example.com/ai-agent/test/internal/machine"
	"example.com/ai-agent/test/internal/ociregistry"
	"example.com/ai-agent/test/internal/repo"
)

// all asks for the test of the whole of `make up`, and lets no test be skipped.
var all = os.Getenv("MAKE_UP") != ""

func TestMain(m *testing.M) {
	if err := repo.UseTools("registry"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// needMachine skips a test where there can be no laptop.
func needMachine(t *testing.T) {
	t.Helper()
	if err := machine.Possible(); err != nil {
		require.False(t, all, "%s", err)
		t.Skip(err)
	}
}

const mirror = machine.Address + ":5000"

// laptop is a machine with a clone of this repository and a Docker Engine that has a mirror.
type laptop struct {
	machine.Machine
	checkout string
}

// newLaptop starts a laptop whose mirror serves the images stored in a folder. In its
// checkout, the variables in pinned replace those of ci/versions.env, because the upstream
// images are not available in tests.
func newLaptop(t *testing.T, images string, pinned map[string]string) laptop {
	t.Helper()
	folder := t.TempDir()
	// Not this process's environment, which may choose an image, a model, an engine or a proxy.
	env := []string{"GOPROXY=off", "GOFLAGS=-mod=mod", "DOCKER_CONFIG=" + folder, "KUBECONFIG=" + filepath.Join(folder, "kubeconfig")}
	for _, name := range []string{"PATH", "HOME", "GOPATH", "GOCACHE", "GOMODCACHE", "GOTOOLCHAIN"} {
		if value, set := os.LookupEnv(name); set {
			env = append(env, name+"="+value)
		}
	}
	l := laptop{machine.Start(t, env...), clone.New(t)}
	for variable, image := range pinned {
		pin(t, l.checkout, variable, image)
	}
	l.Write(t, "/etc/docker/daemon.json", fmt.Sprintf(`{"registry-mirrors": ["http://%[1]s"], "insecure-registries": [%[1]q]}`, mirror))
	l.Write(t, "/run/registry.yaml", ociregistry.Config(":5000", images))
	l.run(t, "sh", "-ec", "registry serve /run/registry.yaml >/run/registry.log 2>&1 </dev/null &")
	l.run(t, "scripts/engine.sh")
	require.Empty(t, l.run(t, "docker", "images", "--quiet"), "the engine is not the laptop's own")
	t.Cleanup(func() { // a killed container leaves its cgroup on the host
		_ = l.Command("/", "sh", "-c", "docker ps --all --quiet | xargs --no-run-if-empty docker rm --force").Run()
	})
	return l
}

// run runs a command in the checkout, and returns what it printed.
func (l laptop) run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := l.Command(l.checkout, name, args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

// pin replaces the image that a variable of ci/versions.env names.
func pin(t *testing.T, checkout, variable, image string) {
	t.Helper()
	path := filepath.Join(checkout, "ci", "versions.env")
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	line := regexp.MustCompile("(?m)^" + variable + "=.+$")
	require.Len(t, line.FindAll(content, -1), 1, variable)
	require.NoError(t, os.WriteFile(path, line.ReplaceAllLiteral(content, []byte(variable+"="+image)), 0o600))
}

// chooseNodeImage runs the script with the programs of a PATH, and returns what it printed
// and what it chose.
func (l laptop) chooseNodeImage(t *testing.T, path string) (output, chosen string, err error) {
	t.Helper()
	out, err := l.Command(l.checkout, "env", "PATH="+path, "scripts/node-image.sh").CombinedOutput()
	image, _ := os.ReadFile(filepath.Join(l.checkout, ".cache", "node-image"))
	return string(out), strings.TrimSpace(string(image)), err
}

// docker runs a docker command on the host's engine, not on the laptop's.
func docker(t *testing.T, args ...string) string {
	t.Helper()
	var problem strings.Builder
	command := exec.CommandContext(t.Context(), "docker", args...)
	command.Stderr = &problem
	out, err := command.Output()
	require.NoError(t, err, "docker %s: %s", strings.Join(args, " "), &problem)
	return strings.TrimSpace(string(out))
}

// push pushes an image of this machine's engine to a registry under a name such as
// kindest/node:v1.37.0, and returns that name with its digest.
func push(t *testing.T, registry ociregistry.Registry, image, name string) string {
	t.Helper()
	remote := registry.Host + "/" + name
	docker(t, "tag", image, remote)
	t.Cleanup(func() { _ = exec.Command("docker", "rmi", remote).Run() })
	docker(t, "push", "--quiet", remote)
	_, digest, found := strings.Cut(docker(t, "image", "inspect", "--format", "{{index .RepoDigests 0}}", remote), "@")
	require.True(t, found)
	return strings.TrimPrefix(name, "library/") + "@" + digest
}

// small builds a small image.
func small(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "Dockerfile"), []byte("# "+t.Name()+"\nFROM scratch\nCOPY Dockerfile /\n"), 0o600))
	id := docker(t, "build", "--quiet", folder)
	t.Cleanup(func() { _ = exec.Command("docker", "rmi", id).Run() })
	return id
}

// macOS lists the programs that the scripts of `make up` find on macOS with Docker Desktop,
// Go and git. flock, setsid, timeout and sha256sum are not among them.
const macOS = "as awk bash cat chmod cp cut date dirname docker env find gcc git go grep head id kill ld ls make mkdir mv paste perl rm sed seq shasum sh sleep sort tail touch tr wc xargs"

// programs returns a folder with links to those programs in the list macOS that the host
// has, and a uname that prints Darwin.
func programs(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for program := range strings.FieldsSeq(macOS) {
		if path, err := exec.LookPath(program); err == nil { // not all are needed
			require.NoError(t, os.Symlink(path, filepath.Join(folder, program)))
		}
	}
	require.NoError(t, os.WriteFile(filepath.Join(folder, "uname"), []byte("#!/bin/sh\necho Darwin\n"), 0o700))
	return folder
}

func TestNodeImageComesFromTheEnginesMirror(t *testing.T) {
	t.Parallel()
	needMachine(t)
	registry := ociregistry.Start(t, false)
	pinned := push(t, registry, small(t), "kindest/node:v1.37.0")
	l := newLaptop(t, registry.Folder, map[string]string{"UPSTREAM_NODE_IMAGE": pinned})
	for _, want := range []string{"pulled: ", "already pulled: "} {
		out, chosen, err := l.chooseNodeImage(t, os.Getenv("PATH"))
		require.NoError(t, err, out)
		assert.Equal(t, pinned, chosen)
		assert.Contains(t, strings.Split(out, "\n"), want+pinned)
	}
}

// On macOS, which cannot build the image, `make up` fails with a message that says what to
// do.
func TestNodeImageThatCannotBePulled(t *testing.T) {
	t.Parallel()
	needMachine(t)
	registry := ociregistry.Start(t, false)
	pinned := push(t, registry, small(t), "kindest/node:v1.37.0")
	layer := t.TempDir()
	require.NoError(t, os.CopyFS(layer, os.DirFS(registry.Folder)))
	removeLayer(t, layer)
	path := programs(t)
	for name, tc := range map[string]struct{ images, answer string }{
		"the mirror does not have the image": {t.TempDir(), "Error response from daemon"},
		"the image's layer is missing":       {layer, "Pulling fs layer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLaptop(t, tc.images, map[string]string{"UPSTREAM_NODE_IMAGE": pinned})
			out, chosen, err := l.chooseNodeImage(t, path)
			require.Error(t, err, out)
			assert.Empty(t, chosen)
			assert.Contains(t, out, tc.answer)
			assert.Contains(t, out, "cannot pull "+pinned)
			assert.Contains(t, out, "NODE_IMAGE")
		})
	}
}

// removeLayer removes the image's only layer, which is the only gzip blob.
func removeLayer(t *testing.T, folder string) {
	t.Helper()
	blobs, err := filepath.Glob(filepath.Join(folder, "docker/registry/v2/blobs/sha256/*/*/data"))
	require.NoError(t, err)
	removed := 0
	for _, blob := range blobs {
		content, err := os.ReadFile(blob)
		require.NoError(t, err)
		if strings.HasPrefix(string(content), "\x1f\x8b") {
			require.NoError(t, os.Remove(blob))
			removed++
		}
	}
	require.Equal(t, 1, removed)
}
