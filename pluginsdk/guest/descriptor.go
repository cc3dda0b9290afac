package guest

import (
	"errors"
	"os"
	"sync"
	"syscall"
	"time"
)

// descriptor is the poller of a guest: Go's scheduler waits for the descriptor, and
// for timers, exactly when no goroutine can run.
type descriptor struct {
	fd   uintptr
	once sync.Once
	file *os.File
	raw  syscall.RawConn
	err  error
}

func (d *descriptor) open() {
	d.file = os.NewFile(d.fd, "parigot")
	d.raw, d.err = d.file.SyscallConn()
}

// limit leaves it to wait to say that the descriptor cannot be polled.
func (d *descriptor) limit(limit time.Duration) {
	d.once.Do(d.open)
	var end time.Time // never
	if limit >= 0 {
		end = time.Now().Add(limit)
	}
	_ = d.file.SetReadDeadline(end)
}

func (d *descriptor) wait(ready func() bool) (bool, error) {
	d.once.Do(d.open)
	if d.err != nil {
		return false, d.err
	}
	err := d.raw.Read(func(uintptr) bool { return ready() })
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return false, nil
	}
	return err == nil, err
}
