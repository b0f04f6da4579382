package live

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/repo"
)

// laptop lists the programs that the scripts of `make up` find on macOS with Docker
// Desktop, Go and git. Among those missing are flock, setsid, timeout and sha256sum.
const laptop = "as awk bash cat chmod cp cut date dirname docker env find gcc git go grep head id kill ld ls make mkdir mv paste perl rm sed seq shasum sh sleep sort tail touch tr wc xargs"

// `make up` prepares its cluster without the programs that only Linux has, and builds
// kubectl instead of copying it out of a node. Not covered: macOS's older bash and
// BSD tools.
func TestEnvironmentWithTheProgramsOfMacOS(t *testing.T) {
	t.Parallel()
	live := liveCluster()
	if live.Name() != "ai-agent-test" {
		t.Skip("it would replace the agent's image in the cluster " + live.Name() + ": `make test` runs it in its own cluster")
	}
	image, err := os.ReadFile(repo.Path(".cache", "node-image"))
	require.NoError(t, err)
	if !strings.HasPrefix(string(image), "ai-agent-node:") {
		t.Skipf("the node image %s was not built here: kubectl would be compiled next to tests that measure time", image)
	}
	live.Lock(t, "default-namespace")
	programs := t.TempDir()
	for program := range strings.FieldsSeq(laptop) {
		if path, err := exec.LookPath(program); err == nil { // not all are needed
			require.NoError(t, os.Symlink(path, filepath.Join(programs, program)))
		}
	}
	require.NoError(t, os.WriteFile(filepath.Join(programs, "uname"), []byte("#!/bin/sh\necho Darwin\n"), 0o700))
	command := exec.CommandContext(t.Context(), repo.Path("scripts", "environment.sh"))
	command.Env = append(os.Environ(), "PATH="+programs, "CLUSTER="+live.Name(), "KUBECONFIG="+ownKubeconfig(t))
	start := time.Now()
	out, err := command.CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Contains(t, string(out), "✓ add-ons")
	kubectl, err := os.Stat(repo.Path("bin", "kubectl"))
	require.NoError(t, err)
	assert.True(t, kubectl.ModTime().After(start), "kubectl was built: a copy has the time of the node's")
	client, err := exec.CommandContext(t.Context(), "kubectl", "version", "--client").CombinedOutput()
	require.NoError(t, err, string(client))
	server, err := live.Client().Discovery().ServerVersion()
	require.NoError(t, err)
	assert.Contains(t, string(client), server.GitVersion)
}
