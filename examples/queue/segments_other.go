//go:build !linux && !wasip1

package queue

import "os"

// syncData has the disk keep what was written to a file.
func syncData(f *os.File) error { return f.Sync() }

// preallocate gives a file its size.
func preallocate(f *os.File, size int64) error { return f.Truncate(size) }
