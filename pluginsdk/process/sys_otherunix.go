//go:build unix && !linux

package process

import "syscall"

// processAttributes put the plugin into a group of its own, so that no terminal signals
// it, and what it started ends with it. It ends when its control connection does.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

// awaitExit is false: the process has not ended, and who waits for it finds out.
func awaitExit(int) bool { return false }
