package render

import (
	"context"
	"net"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/chart"
)

// The hook ends as soon as the last client has gone, not before, and at the end of the run
// budget at the latest. It runs here as it does in a pod: with this machine's sh and
// connections.
func TestDrainWaitsForConnections(t *testing.T) {
	t.Parallel()
	const brief = 2
	server, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	port := server.Addr().(*net.TCPAddr).Port
	hook := func(maxRunSeconds int) []string {
		values := chart.Values{"containerPort": port, "drain.until": "connections", "agent.endpointDelaySeconds": 1, "agent.maxRunSeconds": maxRunSeconds}
		return agentOf(t, values).Lifecycle.PreStop.Exec.Command
	}

	idle := start(t, hook(3600))
	assert.NoError(t, <-idle, "nobody is connected")

	client, err := net.Dial("tcp4", server.Addr().String())
	require.NoError(t, err)
	bounded, waiting := start(t, hook(brief)), start(t, hook(3600))
	assert.NoError(t, <-bounded, "the run budget has passed")
	select {
	case <-waiting:
		t.Error("it ended while a client was connected")
	case <-time.After(2 * time.Second):
	}
	require.NoError(t, client.Close())
	accepted, err := server.Accept()
	require.NoError(t, err)
	require.NoError(t, accepted.Close())
	assert.NoError(t, <-waiting, "the client has gone")
}

// The hook calls the command until it succeeds.
func TestDrainWaitsForACommand(t *testing.T) {
	t.Parallel()
	flag := t.TempDir() + "/idle"
	values := chart.Values{"drain": chart.Map{"until": "command", "command": chart.List{"test", "-e", flag}}, "agent.endpointDelaySeconds": 1, "agent.maxRunSeconds": 3600}
	ended := start(t, agentOf(t, values).Lifecycle.PreStop.Exec.Command)
	select {
	case <-ended:
		t.Error("it ended while the command failed")
	case <-time.After(3 * time.Second):
	}
	require.NoError(t, exec.Command("touch", flag).Run())
	assert.NoError(t, <-ended)
}

// start runs a hook, and returns how it ends. One that waits for something else is killed
// after a minute.
func start(t *testing.T, hook []string) <-chan error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	command := exec.CommandContext(ctx, hook[0], hook[1:]...)
	command.WaitDelay = time.Second // its sleep may outlive it
	require.NoError(t, command.Start())
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	return ended
}
