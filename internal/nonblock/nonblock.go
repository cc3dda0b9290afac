// Package nonblock transfers bytes to and from files that other processes use too. If one of
// them made the file non-blocking, transfers fail with EAGAIN where they would wait otherwise.
package nonblock

import (
	"context"
	"errors"
	"syscall"
	"time"
)

// The waits before a transfer is tried again.
const (
	shortest = time.Millisecond
	longest  = 50 * time.Millisecond
)

// Transfer calls do, a Read or a Write, until it has moved something and does not fail with
// EAGAIN, or ctx ends. It returns the bytes moved and the error of the last try. For a Write
// that is all of buf, or an error.
func Transfer(ctx context.Context, do func([]byte) (int, error), buf []byte) (n int, err error) {
	for wait := shortest; ; wait = min(2*wait, longest) {
		k, err := do(buf[n:])
		if n += k; !errors.Is(err, syscall.EAGAIN) {
			return n, err
		}
		if k > 0 {
			wait = shortest
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return n, ctx.Err()
		}
	}
}
