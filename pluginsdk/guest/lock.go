//go:build !wasip1

package guest

import "sync"

// lock is what tests of this package run with.
type lock = sync.Mutex
