//go:build wasip1

package guest

import (
	"errors"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/iansmith/parigot/pluginsdk/internal/abi"
)

// descriptor is the poller of a guest: Go's scheduler waits for the descriptor, and
// for timers, exactly when no goroutine can run.
type descriptor struct {
	once sync.Once
	file *os.File
	raw  syscall.RawConn
	err  error
}

func (d *descriptor) open() {
	d.file = os.NewFile(abi.Completions, "parigot completions")
	d.raw, d.err = d.file.SyscallConn()
}

func (d *descriptor) wait(limit time.Duration, ready func() bool) (bool, error) {
	d.once.Do(d.open)
	if d.err != nil {
		return false, d.err
	}
	if limit > 0 {
		if err := d.file.SetReadDeadline(time.Now().Add(limit)); err != nil {
			return false, err
		}
	}
	err := d.raw.Read(func(uintptr) bool { return ready() })
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return false, nil
	}
	return err == nil, err
}
