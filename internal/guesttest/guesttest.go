// Package guesttest builds the guests that tests run. What others need for their tests is
// exported by package plugintest.
package guesttest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

var built sync.Map // folder and flags → func() result

type result struct {
	wasm []byte
	err  error
	text string // what the compiler said
}

// Build builds the Go program in dir, a path relative to the test's own folder or an import
// path, for wasip1 and returns the module. It builds each program once per test
// process, and has it compiled in [CacheDir] when it returns, as parallel tests
// would otherwise all compile it at the same time.
func Build(tb testing.TB, dir string, flags ...string) []byte {
	tb.Helper()
	key := strings.Join(append([]string{dir}, flags...), "\x00")
	cache := CacheDir(tb)
	once, _ := built.LoadOrStore(key, sync.OnceValue(func() result { return build(dir, flags, cache) }))
	r := once.(func() result)()
	if r.err != nil {
		tb.Fatalf("build guest %s: %v\n%s", dir, r.err, r.text)
	}
	return r.wasm
}

// File is [Build] for who needs the path of a file, which is removed with the
// test.
func File(tb testing.TB, dir string, flags ...string) string {
	tb.Helper()
	name := filepath.Join(tb.TempDir(), "guest.wasm")
	write(tb, name, Build(tb, dir, flags...))
	return name
}

func build(dir string, flags []string, cache string) (r result) {
	ctx := context.Background() // the result outlives the test that asked first
	tmp, err := os.MkdirTemp("", "guesttest")
	if err != nil {
		return result{err: err}
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	out := filepath.Join(tmp, "guest.wasm")
	// A guest with the commit in it would be another one, to be compiled again, for each commit.
	args := append([]string{"build", "-buildvcs=false", "-o", out}, flags...)
	if _, err := os.Stat(dir); err == nil && !filepath.IsAbs(dir) {
		dir = "./" + filepath.ToSlash(dir)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, dir)...)
	// The flags that the test itself is built with mean nothing to a guest.
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=")
	text, err := cmd.CombinedOutput()
	if err != nil {
		return result{err: err, text: string(text)}
	}
	if text, err = warm(ctx, cache, out, 0); err != nil {
		return result{err: err, text: string(text)}
	}
	wasm, err := os.ReadFile(out)
	return result{wasm: wasm, err: err}
}

// Warm has a guest compiled in [CacheDir] when it returns, as [Build] does: for one that a
// test has changed, or compiles with a memory limit of its own, in bytes, which 0 is not. Each
// of these is another module for the compiler.
func Warm(tb testing.TB, wasm []byte, limit uint64) {
	tb.Helper()
	name := filepath.Join(tb.TempDir(), "guest.wasm")
	write(tb, name, wasm)
	if text, err := warm(tb.Context(), CacheDir(tb), name, limit); err != nil {
		tb.Fatalf("compile guest: %v\n%s", err, text)
	}
}

func write(tb testing.TB, name string, wasm []byte) {
	tb.Helper()
	if err := os.WriteFile(name, wasm, 0o600); err != nil {
		tb.Fatal(err)
	}
}

// warm compiles the guest into the cache, by a program without the race detector.
// wazero keeps what it compiled by its version, which it does not know in tests.
func warm(ctx context.Context, cache, guest string, limit uint64) (text []byte, err error) {
	cmd := exec.CommandContext(ctx, "go", "run", "-ldflags", "-X github.com/tetratelabs/wazero/internal/version.version=dev",
		"github.com/iansmith/parigot/internal/guesttest/cmd/warm", cache, guest, strconv.FormatUint(limit, 10))
	cmd.Env = append(os.Environ(), "GOFLAGS=")
	return cmd.CombinedOutput()
}

// CacheDir returns the folder for compiled guests that all tests share, so
// that a guest that did not change is not compiled again.
func CacheDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.UserCacheDir()
	if err != nil {
		return tb.TempDir() // a machine without a home compiles each time
	}
	return filepath.Join(dir, "parigot", "test")
}
