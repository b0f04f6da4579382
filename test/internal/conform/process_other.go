//go:build !linux

package conform

import (
	"os"
	"syscall"
)

// asInit has no effect where there are no PID namespaces.
func asInit() (attributes *syscall.SysProcAttr, first bool) { return asOrdinary(), false }

// asOrdinary gives a process a group of its own, so that its children can be ended.
func asOrdinary() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// killAll ends a process with its children.
func killAll(process *os.Process) error { return syscall.Kill(-process.Pid, syscall.SIGKILL) }
