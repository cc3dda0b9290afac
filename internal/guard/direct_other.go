//go:build unix && !linux

package guard

import (
	"os/exec"
	"syscall"
)

// Supported reports whether this executable can be the guard of a program.
func Supported() bool { return false }

func startGuarded(cmd *exec.Cmd) (*Process, error) { return startDirect(cmd) }

// attributes put a program into a group of its own, so that no terminal signals it.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// awaitExit is false: the process has not ended, and who waits for it finds out.
func awaitExit(int) bool { return false }
