package conform

import (
	"os"
	"syscall"
)

// asInit makes a process the first of a PID namespace, as a container's is: only then
// does it ignore signals for which it has no handler. Only root may ask for that.
func asInit() (attributes *syscall.SysProcAttr, first bool) {
	attributes = asOrdinary()
	if os.Geteuid() == 0 {
		attributes.Cloneflags, first = syscall.CLONE_NEWPID, true
	}
	return attributes, first
}

// asOrdinary gives a process a group of its own, so that its children can be ended.
func asOrdinary() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// killAll ends a process with its children.
func killAll(process *os.Process) error { return syscall.Kill(-process.Pid, syscall.SIGKILL) }
