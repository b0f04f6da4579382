// Package machine runs commands in Linux namespaces, as if on a separate computer. They see
// the host's programs and files, only a loopback network, and only their own processes.
// Writes to /etc, /run, /usr/local and /var do not reach the host. Docker starts with no
// images or containers.
package machine

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Address is the machine's IP address, which its containers can reach too. RFC 5737
// reserves it for documentation.
const Address = "192.0.2.1"

// boot is the script of the machine's first process. /var/lib/docker is a bind mount,
// because Docker cannot store images on an overlay.
const boot = `
ip link set lo up
ip address add ` + Address + `/32 dev lo
mount -t tmpfs tmpfs /run
for folder in /etc /usr/local /var; do
	mkdir -p "$0/upper$folder" "$0/work$folder"
	mount -t overlay overlay -o "lowerdir=$folder,upperdir=$0/upper$folder,workdir=$0/work$folder" "$folder"
done
mkdir -p "$0/docker" /var/lib/docker
rm -rf /var/lib/ai-agent
mount --bind "$0/docker" /var/lib/docker
echo booted
exec sleep infinity`

// Machine is a set of namespaces that exists until the test ends.
type Machine struct {
	enter []string // the command that enters it
	env   []string
}

// Possible returns an error where namespaces cannot be created.
func Possible() error {
	if out, err := exec.Command("unshare", slices.Concat(namespaces, []string{"ip", "link", "set", "lo", "up"})...).CombinedOutput(); err != nil {
		return fmt.Errorf("needs Linux, iproute2, and root with the right to create namespaces: %w: %s", err, out)
	}
	return nil
}

var namespaces = []string{"--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"}

// Start starts a machine. The environment of its commands is env alone.
func Start(t *testing.T, env ...string) Machine {
	t.Helper()
	first := exec.Command("unshare", slices.Concat(namespaces, []string{"sh", "-ec", boot, t.TempDir()})...)
	first.Stderr, first.SysProcAttr = t.Output(), &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := first.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, first.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err, "the machine does not start")
	require.Equal(t, "booted\n", line)
	children, err := os.ReadFile(fmt.Sprintf("/proc/%[1]d/task/%[1]d/children", first.Process.Pid))
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(children)))
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = syscall.Kill(pid, syscall.SIGKILL) // and with it every process of the machine
		_ = first.Wait()
	})
	return Machine{[]string{"nsenter", "--net", "--mount", "--pid", "--target", strconv.Itoa(pid), "--"}, env}
}

// Command returns a command in a folder of the machine.
func (m Machine) Command(folder, name string, args ...string) *exec.Cmd {
	command := slices.Concat(m.enter, []string{"env", "--chdir=" + folder, name}, args)
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = m.env
	return cmd
}

// Write writes a file of the machine.
func (m Machine) Write(t *testing.T, path, content string) {
	t.Helper()
	cmd := m.Command("/", "sh", "-ec", `mkdir -p "$1" && cat >"$2"`, "sh", filepath.Dir(path), path)
	cmd.Stdin = strings.NewReader(content)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}
