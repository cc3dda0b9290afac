//go:build !wasip1

// Package usage tells how much processor time this process has taken. That hardly
// depends on what else the machine does, which the time of a clock does.
package usage

import (
	"syscall"
	"time"
)

// CPU returns the processor time of this process, 0 when the system does not tell.
func CPU() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
