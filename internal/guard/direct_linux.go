package guard

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// attributes put a program into a group of its own, so that no terminal signals it, and have it
// end with the thread that started it.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// awaitExit returns true when the process has ended. Its number belongs to nobody else until
// somebody waits for it.
func awaitExit(pid int) bool {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return err == nil
		}
	}
}
