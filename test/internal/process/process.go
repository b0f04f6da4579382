// Package process runs servers on loopback for a test.
package process

import (
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/repo"
)

// Build compiles a command of this repository, such as agent, into a folder, and returns
// the path of the binary.
func Build(folder, command string) (string, error) {
	binary := filepath.Join(folder, command)
	out, err := exec.Command("go", "build", "-o", binary, repo.Path("test", command)).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building %s: %w: %s", command, err, out)
	}
	return binary, nil
}

// Main runs tests that only wait: all at the same time, on any number of cores. It removes
// a folder, and exits.
func Main(m *testing.M, folder string) {
	flag.Parse()
	_ = flag.Set("test.parallel", "100")
	status := m.Run()
	_ = os.RemoveAll(folder)
	os.Exit(status)
}

// Addresses are chosen below the range from which systems choose the ports of connections
// and of listeners on port 0: either could take a port before the process listens on it.
// Each test process begins elsewhere, because several run at once.
const (
	lowestPort = 10_000
	portsEach  = 200
)

var lastPort atomic.Int64

func init() { lastPort.Store(int64(lowestPort + os.Getpid()%100*portsEach)) }

// FreeAddress returns a loopback address on which nothing listens, and which no other test
// of this process gets.
func FreeAddress(t *testing.T) string {
	t.Helper()
	for range portsEach {
		address := fmt.Sprintf("127.0.0.1:%d", lastPort.Add(1))
		listener, err := net.Listen("tcp", address)
		if err == nil {
			_ = listener.Close()
			return address
		}
	}
	require.Fail(t, "no free port", "%d ports up to %d are in use", portsEach, lastPort.Load())
	return ""
}

// Start starts a process and waits until it listens on the address. The process has
// PATH and env as its environment, and logs to the test. It ends with the test, or with
// this process if that is killed.
func Start(t *testing.T, address string, env []string, name string, args ...string) {
	t.Helper()
	StartTo(t, t.Output(), address, env, name, args...)
}

// StartTo is Start for a process that logs so much that it must not be among the test's output.
func StartTo(t *testing.T, log io.Writer, address string, env []string, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(t, cmd.Start())
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	require.Eventually(t, func() bool {
		select {
		case <-ended:
			t.Errorf("%s ended before it listened on %s", name, address)
			return true
		default:
		}
		connection, err := net.Dial("tcp", address)
		if err == nil {
			_ = connection.Close()
		}
		return err == nil
	}, time.Minute, 20*time.Millisecond, "%s does not listen on %s", name, address)
}
