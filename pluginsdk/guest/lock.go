//go:build !wasip1

package guest

import "sync"

// lock is what tests of this package run with.
type lock struct{ sync.Mutex }

// free reports whether nobody has the lock.
func (l *lock) free() bool {
	if !l.TryLock() {
		return false
	}
	l.Unlock()
	return true
}
