package eng

import (
	"context"
	"errors"
	"runtime"

	"github.com/iansmith/parigot/internal/compiler"
	"github.com/iansmith/parigot/internal/contract"
	"github.com/iansmith/parigot/internal/fuel"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// What a module is expected to take before that is known, in bytes.
const (
	expectedMemory        = 1 << 20
	expectedMemoryPerByte = 32 // of the module
)

// prepared is a module that is to be compiled.
type prepared struct {
	fuel.Metered

	takes    int64  // of Host.compileMemory, for all workers
	workers  int    // of the compiler's process; 0: the engine compiles it by itself
	entry    string // where the cache has it, or ""
	outline  outline
	contract *contract.Contract
}

// admit prepares a module and waits for the memory that compiling it takes, which the caller
// has to release. Preparing it takes memory, too, so admit waits for what most modules need
// first. For one that needs more it begins again: who waited for more and held some could
// wait for each other.
func (h *Host) admit(ctx context.Context, key programKey, wasm []byte) (prepared, error) {
	takes := h.config.compileMemory
	if !key.trusted {
		takes = min(takes, expectedMemory+expectedMemoryPerByte*int64(len(wasm)))
	}
	for {
		m, err := h.prepareWithin(ctx, key, wasm, takes)
		if err != nil || m.takes <= takes {
			return m, err
		}
		takes = m.takes
	}
}

// prepareWithin prepares a module and holds the memory that it takes, if that is no more
// than takes. Otherwise, and with an error, it holds none.
func (h *Host) prepareWithin(ctx context.Context, key programKey, wasm []byte, takes int64) (m prepared, err error) {
	if err := h.compileMemory.Acquire(ctx, takes); err != nil {
		return m, err
	}
	held := int64(0)
	defer func() { h.compileMemory.Release(takes - held) }()
	m, err = h.prepare(ctx, key, wasm)
	if err == nil && m.takes <= takes {
		held = m.takes
	}
	return m, err
}

// prepare takes a module from the cache, or rewrites it. It gives up when ctx ends.
func (h *Host) prepare(ctx context.Context, key programKey, wasm []byte) (m prepared, err error) {
	if m.Metered, m.entry = h.cache.find(key); m.entry != "" {
		m.outline, err = survey(wasm, key.pages, nil)
	} else {
		m.Module, m.outline, err = confine(wasm, key.pages)
	}
	switch {
	case errors.Is(err, fuel.ErrLimit):
		return m, status.Error(status.ResourceExhausted, err.Error())
	case err != nil:
		return m, status.Error(status.InvalidArgument, err.Error())
	case ctx.Err() != nil:
		return m, ctx.Err()
	}
	m.contract, err = contract.Read(wasm)
	if err == nil {
		err = ctx.Err()
	}
	switch {
	case err != nil:
	case key.trusted: // nobody knows what it takes, so it is compiled alone
		m.takes = h.config.compileMemory
	case m.entry != "":
		m.takes = m.Memory
	default:
		m.Metered, err = meter(m.Module, h.config.compileMemory)
		m.workers, m.takes = h.workers(m.Metered)
	}
	return m, err
}

// leastShared is the size of a module from which on it is worth a process that compiles it on
// all processors, in bytes: a tenth of a second of one.
const leastShared = 512 << 10

// workers returns how many workers another process compiles a module with, and what they take,
// of Host.compileMemory. There are none if the engine compiles it by itself.
func (h *Host) workers(m fuel.Metered) (workers int, takes int64) {
	if h.cache.dir == nil || !compiler.Available() || len(m.Module) < leastShared {
		return 0, m.Memory
	}
	more := min(int64(runtime.GOMAXPROCS(0))-1, (h.config.compileMemory-m.Memory)/max(m.Largest, 1))
	return 1 + int(more), m.Memory + more*m.Largest
}
