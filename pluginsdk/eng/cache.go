package eng

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/iansmith/parigot/internal/cachedir"
	"github.com/iansmith/parigot/internal/compiler"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// Bounds of a cache directory, see [WithCacheDir].
const (
	// MaxCacheBytes is the size from which the guests that nobody used longest are removed.
	MaxCacheBytes = 4 << 30
	// MaxCacheAge is how long a guest stays that nobody uses.
	MaxCacheAge = 30 * 24 * time.Hour
)

// cache keeps compiled guests for other processes. A cache that does not work costs a warning
// and the time to compile, never the guest.
type cache struct {
	host *Host
	dir  *cachedir.Dir // nil: there is none

	// refused has the keys of entries that could not be loaded, and perhaps not be removed.
	refused sync.Map
}

// warned has the directories that a log has a warning about, as warning: one run of a deployment
// has several hosts.
var warned sync.Map

type warning struct {
	dir string
	log *slog.Logger
}

func openCache(h *Host) *cache {
	c := &cache{host: h}
	path := h.config.cacheDir
	if path == "" {
		return c
	}
	dir, err := cachedir.Open(path, MaxCacheBytes, MaxCacheAge)
	if err == nil {
		_, err = wazeroForm()
	}
	if err != nil {
		c.notKept(err)
		return c
	}
	c.dir = dir
	return c
}

// built is a compiled module, and the sandbox that it is in.
type built struct {
	box      *sandbox
	compiled wazero.CompiledModule
	unsaved  bool // wazero could not write its file
}

// compile compiles a module in a sandbox of its own, or loads it from the cache.
func (c *cache) compile(ctx context.Context, key programKey, m prepared) (built, error) {
	if c.dir == nil {
		return c.build(ctx, "", key, m)
	}
	if m.entry != "" {
		return c.load(ctx, key, m)
	}
	draft, err := c.begin(key, m.Metered)
	if err == nil && m.workers > 1 {
		draft, err = c.precompile(key, m, draft)
	}
	if err != nil {
		c.notKept(err)
		return c.build(ctx, "", key, m)
	}
	if c.host.alive.Err() != nil { // it ended the other process
		c.tidy(c.dir.Drop(draft))
		return built{}, errClosed()
	}
	b, err := c.build(ctx, draft, key, m)
	if err != nil || b.unsaved {
		c.tidy(c.dir.Drop(draft))
		return b, err
	}
	if err := c.dir.Keep(draft, entryKey(key)); err != nil {
		c.notKept(err)
		return b, nil
	}
	c.tidy(c.dir.Sweep())
	return b, nil
}

// precompile has another process write wazero's file into a draft, so that it is loaded from
// there. If that fails it returns another draft, without the file: the engine compiles the
// module by itself, or says what is wrong with it.
func (c *cache) precompile(key programKey, m prepared, draft string) (string, error) {
	err := compiler.Run(c.host.alive, draft, m.workers)
	if err == nil {
		return draft, nil
	}
	c.host.config.logger.Debug("the compiler's process failed", "err", err)
	c.tidy(c.dir.Drop(draft))
	return c.begin(key, m.Metered)
}

// errDamaged says that an entry was no good, and is not found again.
var errDamaged = errors.New("the entry of the cache is damaged")

// load takes a compiled module from the cache. With an error it is errDamaged.
func (c *cache) load(ctx context.Context, key programKey, m prepared) (b built, err error) {
	defer func() {
		if p := recover(); p != nil { // wazero trusts much of its file
			err = fmt.Errorf("wazero cannot read it: %v", p)
		}
		if err != nil {
			name := entryKey(key)
			c.refused.Store(name, true)
			c.damaged(m.entry, errors.Join(err, c.dir.Remove(name)))
			err = errDamaged
		}
	}()
	return c.build(ctx, m.entry, key, m)
}

func (c *cache) damaged(file string, err error) {
	c.host.config.logger.Warn("a compiled guest in the cache is damaged: it is removed, and the guest compiled again", "file", file, "err", err)
}

// notKept warns once: the next guest has the same trouble.
func (c *cache) notKept(err error) {
	dir := c.host.config.cacheDir
	if _, before := warned.LoadOrStore(warning{dir, c.host.config.given}, true); before {
		return
	}
	c.host.config.logger.Warn("compiled guests are not kept, so the next run compiles them again: make room in the cache directory, let the host write to it, or name another", "dir", dir, "err", err)
}

// tidy warns if the cache could not remove what nobody needs.
func (c *cache) tidy(err error) {
	if err != nil {
		c.host.config.logger.Warn("the cache directory has files that cannot be removed", "dir", c.host.config.cacheDir, "err", err)
	}
}

// build compiles a module in a sandbox of its own. dir is where wazero reads and writes its file, or
// "".
func (c *cache) build(ctx context.Context, dir string, key programKey, m prepared) (b built, err error) {
	files := wazero.NewCompilationCache()
	if dir != "" {
		if files, err = wazero.NewCompilationCacheWithDir(dir); err != nil {
			c.notKept(err)
			files, b.unsaved = wazero.NewCompilationCache(), true
		}
	}
	if b.box, err = newSandbox(ctx, files, c.host.config.pages(0), m.outline.overlaps || m.outline.serves); err != nil {
		return built{}, err
	}
	defer func() {
		if b.compiled == nil { // also after a panic
			err = errors.Join(err, b.box.close(ctx))
			b = built{}
		}
	}()
	compiling := withWorkers(ctx, key.trusted)
	b.compiled, err = b.box.runtime.CompileModule(compiling, m.Module)
	if isFileError(err) {
		c.notKept(err)
		b.unsaved = true
		b.compiled, err = b.box.runtime.CompileModule(compiling, m.Module) // it is compiled, and in memory
	}
	if err != nil {
		return b, status.Wrap(status.InvalidArgument, readable{err}, "the module does not compile")
	}
	return b, nil
}

// withWorkers has the compiler use all processors for a trusted guest. Its workers are goroutines
// of wazero (v1.12.0), so that nobody can recover when one of them panics: the process ends. The
// module of a guest that is not trusted must not be able to do that.
func withWorkers(ctx context.Context, trusted bool) context.Context {
	if !trusted {
		return ctx
	}
	return experimental.WithCompilationWorkers(ctx, runtime.GOMAXPROCS(0))
}

// isFileError reports whether wazero could not read or write its file.
func isFileError(err error) bool {
	return errors.As(err, new(*fs.PathError)) || errors.As(err, new(*os.LinkError)) || errors.As(err, new(*os.SyscallError))
}

// wazeroForm returns what wazero names the form of its files by: its version, which tests do
// not know, and the machine's architecture.
var wazeroForm = sync.OnceValues(func() (form string, err error) {
	dir, err := os.MkdirTemp("", "parigot-cache")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if _, err = wazero.NewCompilationCacheWithDir(dir); err != nil {
		return "", err
	}
	made, err := os.ReadDir(dir)
	if err == nil && len(made) != 1 {
		err = fmt.Errorf("wazero made %d directories for its files, want 1", len(made))
	}
	if err != nil {
		return "", err
	}
	return made[0].Name(), nil
})
