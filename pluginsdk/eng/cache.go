package eng

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
	"golang.org/x/sys/cpu"

	"github.com/iansmith/parigot/internal/cachedir"
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

// compile compiles a module in a sandbox of its own, or takes it from the cache.
func (c *cache) compile(ctx context.Context, module []byte, overlaps bool) (built, error) {
	if c.dir == nil {
		return c.build(ctx, "", module, overlaps)
	}
	key := cacheKey(module)
	entry, damage := c.dir.Find(key)
	switch {
	case damage != nil:
		c.damaged(damage.File, damage.Err)
	case entry != "":
		b, err := c.build(ctx, entry, module, overlaps)
		if err == nil {
			return b, nil
		}
		c.damaged(entry, errors.Join(err, c.dir.Remove(key)))
	}
	draft, err := c.dir.Draft()
	if err != nil {
		c.notKept(err)
		return c.build(ctx, "", module, overlaps)
	}
	b, err := c.build(ctx, draft, module, overlaps)
	if err != nil || b.unsaved {
		c.tidy(c.dir.Drop(draft))
		return b, err
	}
	if err := c.dir.Keep(draft, key); err != nil {
		c.notKept(err)
		return b, nil
	}
	c.tidy(c.dir.Sweep())
	return b, nil
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
func (c *cache) build(ctx context.Context, dir string, module []byte, overlaps bool) (b built, err error) {
	files := wazero.NewCompilationCache()
	if dir != "" {
		if files, err = wazero.NewCompilationCacheWithDir(dir); err != nil {
			c.notKept(err)
			files, b.unsaved = wazero.NewCompilationCache(), true
		}
	}
	if b.box, err = newSandbox(ctx, files, c.host.config.pages(0), overlaps); err != nil {
		return built{}, err
	}
	b.compiled, err = b.box.runtime.CompileModule(ctx, module)
	if isFileError(err) {
		c.notKept(err)
		b.unsaved = true
		b.compiled, err = b.box.runtime.CompileModule(ctx, module) // it is compiled, and in memory
	}
	if err != nil {
		return built{}, errors.Join(status.Wrap(status.InvalidArgument, readable{err}, "the module does not compile"), b.box.close(ctx))
	}
	return b, nil
}

// isFileError reports whether wazero could not read or write its file.
func isFileError(err error) bool {
	return errors.As(err, new(*fs.PathError)) || errors.As(err, new(*os.LinkError)) || errors.As(err, new(*os.SyscallError))
}

// cacheKey names what the machine code of a module depends on: wazero writes a file for each.
func cacheKey(module []byte) string {
	form, _ := wazeroForm() // openCache has seen that there is one
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%s %+v %+v\n", form, cpu.X86, cpu.ARM64) // a hash takes all
	_, _ = h.Write(module)
	return hex.EncodeToString(h.Sum(nil))
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
