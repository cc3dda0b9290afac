package eng

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/iansmith/parigot/internal/fuel"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// Limits of the modules that [Host.Compile] takes, beside [WithCompileMemory]. A module
// over one of them is RESOURCE_EXHAUSTED, and the error has the name of the limit. All
// but MaxModule and MaxName hold for guests that are not [Trusted].
const (
	// MaxModule bounds the size of a module, in bytes.
	MaxModule = 256 << 20
	// MaxName bounds the name of an import, an export or a custom section, in bytes. Names of
	// functions are only for stack traces, and cut.
	MaxName = 4 << 10
	// MaxImports, MaxTypes, MaxFunctions, MaxTables, MaxGlobals and MaxExports bound how many
	// of them a module has, and MaxSegments its segments of data and those of elements.
	MaxImports   = fuel.MaxImports
	MaxTypes     = fuel.MaxTypes
	MaxFunctions = fuel.MaxFunctions
	MaxTables    = fuel.MaxTables
	MaxGlobals   = fuel.MaxGlobals
	MaxExports   = fuel.MaxExports
	MaxSegments  = fuel.MaxSegments
	// MaxValues bounds the parameters and results of a function or block, and MaxTypeValues
	// those of all types of a module.
	MaxValues     = fuel.MaxValues
	MaxTypeValues = fuel.MaxTypeValues
	// MaxFunctionWork bounds how long compiling one function may take beyond what is
	// linear in its size, which its nesting, blocks and values decide: an estimate, in
	// nanoseconds.
	MaxFunctionWork = fuel.MaxFunctionWork
	// MaxWork bounds that of all functions, beside one of MaxFunctionWork: for each byte
	// of the module.
	MaxWork = fuel.MaxWork
)

// compilation is one that is under way.
type compilation struct {
	done    chan struct{} // closed when it has a program or an error
	program *program
	err     error

	cancel  context.CancelFunc // nobody waits for it
	waiting int                // who does; guarded by Host.mu
}

// Compile compiles a guest. name is for logs, for [Caller] and for the guest's own
// os.Args. The same bytes are compiled once, also when several goroutines ask at
// the same time; with [WithCacheDir] once for all processes. That takes seconds
// for a Go guest with protobuf. A module over a limit is refused before it is compiled.
//
// Compile returns when ctx ends, and when the engine closes. The compiler then still
// finishes a module that it has begun, which must not change meanwhile, and the engine
// keeps the result unless it is closed.
func (h *Host) Compile(ctx context.Context, name string, wasm []byte, opts ...GuestOption) (*Guest, error) {
	var c guestConfig
	for _, o := range opts {
		o.applyGuest(&c)
	}
	c.within(h.config)
	p, err := h.program(ctx, wasm, c)
	if err != nil {
		return nil, fmt.Errorf("compile guest %q: %w", name, err)
	}
	return &Guest{host: h, name: name, config: c, program: p}, nil
}

// program returns what is known already, or waits for who compiles it.
func (h *Host) program(ctx context.Context, wasm []byte, c guestConfig) (*program, error) {
	if len(wasm) > MaxModule {
		return nil, status.Errorf(status.ResourceExhausted, "the module has %d bytes, more than MaxModule, which is %d", len(wasm), MaxModule)
	}
	key := programKey{sha256.Sum256(wasm), c.trusted, h.config.pages(c.memoryLimit)}
	work, err := h.join(ctx, key, wasm)
	if err != nil {
		return nil, err
	}
	defer h.desert(key, work)
	select {
	case <-work.done:
		return work.program, work.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-h.alive.Done():
		return nil, errClosed()
	}
}

// join returns the compilation of a module, which begins unless it is under way. desert
// has to be called.
func (h *Host) join(ctx context.Context, key programKey, wasm []byte) (*compilation, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, errClosed()
	}
	if p := h.programs[key]; p != nil {
		work := &compilation{done: make(chan struct{}), program: p, cancel: func() {}}
		close(work.done)
		return work, nil
	}
	work := h.compiling[key]
	if work == nil {
		work = &compilation{done: make(chan struct{})}
		ctx, work.cancel = context.WithCancel(context.WithoutCancel(ctx))
		h.compiling[key] = work
		go h.work(ctx, work, key, wasm)
	}
	work.waiting++
	return work, nil
}

// desert tells that one fewer waits for a compilation.
func (h *Host) desert(key programKey, work *compilation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if work.waiting--; work.waiting > 0 {
		return
	}
	work.cancel()
	if h.compiling[key] == work {
		delete(h.compiling, key)
	}
}

// work compiles a module.
func (h *Host) work(ctx context.Context, work *compilation, key programKey, wasm []byte) {
	defer func() {
		if p := recover(); p != nil {
			h.config.logger.Error("panic in the compiler", "panic", p, "stack", string(debug.Stack()))
			work.err = status.Error(status.Internal, "the compiler does not get along with the module")
		}
		close(work.done)
	}()
	work.program, work.err = h.compile(ctx, key, wasm)
}

// compile compiles a module, unless another compilation of it was done first.
func (h *Host) compile(ctx context.Context, key programKey, wasm []byte) (*program, error) {
	p, err := h.build(ctx, key, wasm)
	if errors.Is(err, errDamaged) {
		p, err = h.build(ctx, key, wasm) // without the cache
	}
	if err != nil {
		return nil, err
	}
	kept, err := h.keepProgram(key, p)
	if kept != p {
		err = errors.Join(err, p.box.close(context.WithoutCancel(ctx)))
	}
	return kept, err
}

// build makes a program, which is not kept yet.
func (h *Host) build(ctx context.Context, key programKey, wasm []byte) (*program, error) {
	m, err := h.admit(ctx, key, wasm)
	if err != nil {
		return nil, err
	}
	defer h.compileMemory.Release(m.takes)
	start := time.Now()
	b, err := h.cache.compile(context.WithoutCancel(ctx), key, m) // the compiler cannot be stopped
	if err != nil {
		return nil, err
	}
	h.config.logger.Debug("compiled", "bytes", len(wasm), "cached", m.entry != "", "took", time.Since(start))
	p := &program{
		box: b.box, compiled: b.compiled, outline: m.outline, contract: m.contract, pages: key.pages, starts: m.Starts,
		imports: b.compiled.ImportedFunctions(), // takes long the first time, so h.mu is free
	}
	if !key.trusted {
		p.imports = withoutRefuel(p.imports)
	}
	return p, nil
}

// keepProgram returns the program of a key, which is p unless there is one.
func (h *Host) keepProgram(key programKey, p *program) (*program, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, errClosed()
	}
	if before := h.programs[key]; before != nil {
		return before, nil
	}
	h.programs[key] = p
	return p, nil
}
