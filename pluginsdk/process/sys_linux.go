package process

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// processAttributes put the plugin into a group of its own, so that no terminal signals
// it, and what it started ends with it. It ends with the host: with the thread that
// started it, to be exact, which therefore stays.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// awaitExit returns true when the process has ended. It is still there for [killGroup]:
// its number belongs to nobody else until somebody waits for it.
func awaitExit(pid int) bool {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return err == nil
		}
	}
}
