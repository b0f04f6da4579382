// Package process runs servers on loopback for a test.
package process

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
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

// FreeAddress returns a loopback address on which nothing listens.
func FreeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return listener.Addr().String()
}

// Start starts a process and waits until it listens on the address. The process has
// PATH and env as its environment. It ends with the test, or with this process if that is killed.
func Start(t *testing.T, address string, env []string, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
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
