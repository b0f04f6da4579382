package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// `agent stop` ends the load that is process 1, as `kubectl exec` starts it in a container:
// here in a namespace for processes.
func TestStopEndsProcess1(t *testing.T) {
	t.Parallel()
	enter, err := exec.LookPath("nsenter")
	if err != nil {
		t.Skip("this machine has no nsenter: ", err)
	}
	var errs strings.Builder
	load := exec.Command(binary, "load", "--url=http://127.0.0.1:1", "--requests=1")
	load.Stderr = &errs
	load.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWPID,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	lines, err := load.StdoutPipe()
	require.NoError(t, err)
	if err := load.Start(); err != nil {
		t.Skip("this machine allows no namespaces for users: ", err)
	}
	t.Cleanup(func() { _ = load.Process.Kill() })
	first := bufio.NewReader(lines)
	_, err = first.ReadString('\n') // a signal before the load handles it would be lost: the kernel protects process 1
	require.NoError(t, err)
	out, err := exec.Command(enter, "--user", "--preserve-credentials", "--pid", "--target", strconv.Itoa(load.Process.Pid), binary, "stop").CombinedOutput()
	require.NoError(t, err, "%s", out)
	_, err = io.Copy(io.Discard, first)
	require.NoError(t, err)
	require.NoError(t, load.Wait())
	assert.Contains(t, errs.String(), "agent load: runs: none; short requests: ")
}
