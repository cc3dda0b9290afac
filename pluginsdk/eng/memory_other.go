//go:build !unix

package eng

import "github.com/tetratelabs/wazero/experimental"

// newMemory returns a memory that is copied when it grows.
func newMemory(_, _ uint64) experimental.LinearMemory { return new(movableMemory) }
