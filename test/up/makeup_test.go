package up

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/ociregistry"
	"example.com/ai-agent/test/internal/repo"
)

// upstream is a script that makes a locally built node image resemble the upstream one. It
// exports the images that the upstream one does not contain to /out, removes them from the
// node image, and configures the node to pull images from the laptop's mirror.
const upstream = `
containerd >/tmp/containerd.log 2>&1 & pid=$!
until ctr version >/dev/null 2>&1; do kill -0 $pid || { cat /tmp/containerd.log; exit 1; }; sleep 0.2; done
images="ctr --namespace k8s.io images"
for server in redis postgres metrics-server; do
	name=$($images list --quiet | grep "/$server:") || continue
	$images tag "$name" "ai-agent-up/$server:test"
	$images export "/out/$server.tar" "ai-agent-up/$server:test"
	$images remove "$name" "ai-agent-up/$server:test"
done
kill $pid
wait $pid || true
rm /tmp/containerd.log
mkdir -p /etc/containerd/certs.d/_default
echo 'server = "http://` + mirror + `"' >/etc/containerd/certs.d/_default/hosts.toml`

// pushUpstream pushes the images that ci/versions.env pins, and metrics-server's, under the
// names that they have upstream. It returns the pinned names by variable.
func pushUpstream(t *testing.T, registry ociregistry.Registry) map[string]string {
	t.Helper()
	redis, err := repo.Version("REDIS_IMAGE")
	require.NoError(t, err)
	postgres, err := repo.Version("POSTGRES_IMAGE")
	require.NoError(t, err)
	node, err := os.ReadFile(repo.Path(".cache", "node-image"))
	require.NoError(t, err)
	out := t.TempDir()
	container := docker(t, "run", "--detach", "--privileged", "--entrypoint", "sleep", "--label", "ai-agent/outside-of=ai-agent-test", "--volume", out+":/out", strings.TrimSpace(string(node)), "3600")
	t.Cleanup(func() { _ = exec.Command("docker", "rm", "--force", container).Run() })
	docker(t, "exec", container, "sh", "-ec", upstream)
	image := docker(t, "commit", "--change", `ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]`, container)
	t.Cleanup(func() { _ = exec.Command("docker", "rmi", image).Run() })
	version := docker(t, "exec", container, "cat", "/kind/version")
	load := func(server, upstream, name string) string {
		archive := filepath.Join(out, server+".tar")
		if _, err := os.Stat(archive); err != nil { // it is the upstream node image, which was pulled
			docker(t, "pull", "--quiet", upstream)
			return push(t, registry, upstream, name)
		}
		docker(t, "load", "--input", archive)
		loaded := "ai-agent-up/" + server + ":test"
		t.Cleanup(func() { _ = exec.Command("docker", "rmi", loaded).Run() })
		return push(t, registry, loaded, name)
	}
	module := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Version}}", "sigs.k8s.io/metrics-server")
	module.Dir = repo.Path("ci", "node")
	release, err := module.Output()
	require.NoError(t, err)
	metricsServer := "metrics-server/metrics-server:" + strings.TrimSpace(string(release))
	repository, _, _ := strings.Cut(docker(t, "exec", container, "kubeadm", "config", "images", "list", "--kubernetes-version", version), "/")
	load("metrics-server", repository+"/"+metricsServer, metricsServer)
	return map[string]string{
		"UPSTREAM_NODE_IMAGE": push(t, registry, image, "kindest/node:"+version),
		"REDIS_IMAGE":         load("redis", redis, "library/redis:7.2"),
		"POSTGRES_IMAGE":      load("postgres", postgres, "library/postgres:15"),
	}
}

// With a registry mirror and only the commands that macOS has, `make up` pulls every image
// and builds only the sample agent's. With all commands of Linux, it then upgrades that.
// Where no registry serves the upstream images, kindnet among them, the mirror has locally
// built ones under their names. Not covered: macOS's older bash and BSD tools.
func TestMakeUpWithARegistry(t *testing.T) {
	if !all {
		t.Skip("it creates a second cluster, which takes minutes: `make test-up` runs it, and so does the nightly workflow")
	}
	needMachine(t)
	registry := ociregistry.Start(t, false)
	pinned := pushUpstream(t, registry)
	l := newLaptop(t, registry.Folder, pinned)
	first := l.run(t, "env", "PATH="+programs(t), "make", "up")
	t.Log(first)
	assert.Contains(t, first, " s  pulled: kindest/node:")
	assert.Contains(t, first, "✓ autoscaler") // the last step
	for server, variable := range map[string]string{"redis": "REDIS_IMAGE", "postgres": "POSTGRES_IMAGE"} {
		assert.Equal(t, pinned[variable], l.run(t, "bin/kubectl", "--context", "kind-ai-agent", "get", "deployment", server, "--output", "jsonpath={.spec.template.spec.containers[0].image}"))
	}
	version := l.run(t, "bin/kubectl", "--context", "kind-ai-agent", "version")
	client, server := field(version, "Client Version: "), field(version, "Server Version: ")
	assert.NotEmpty(t, client)
	assert.Equal(t, server, client)
	assert.NotContains(t, l.run(t, "sha256sum", "bin/kubectl"), strings.Fields(l.run(t, "docker", "exec", "ai-agent-control-plane", "sha256sum", "/usr/bin/kubectl"))[0], "it was built, not copied")
	images := strings.Fields(l.run(t, "docker", "images", "--format", "{{.Repository}}"))
	assert.ElementsMatch(t, []string{"ai-agent", "kindest/node"}, images)

	second := l.run(t, "make", "up")
	t.Log(second)
	assert.Contains(t, second, "kind-ai-agent is running")
	assert.Contains(t, second, "already pulled: kindest/node:")
	l.run(t, "make", "down")
	assert.Empty(t, l.run(t, "docker", "ps", "--all", "--quiet"))
}

// field returns the rest of the line that begins with a prefix.
func field(text, prefix string) string {
	_, after, _ := strings.Cut(text, prefix)
	line, _, _ := strings.Cut(after, "\n")
	return line
}
