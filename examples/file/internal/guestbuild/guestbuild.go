//go:build !wasip1

// Package guestbuild builds the guests that the tests of the file plugin run.
package guestbuild

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/pluginsdk/eng"
)

var (
	mu    sync.Mutex
	built = map[string][]byte{} // by package
)

// Build builds the guest of the package in dir, a path relative to the folder of
// the test, and returns the module. It builds each guest once, and has it in
// [CacheDir] when it returns: tests that run at the same time would otherwise
// all compile it at the same time.
func Build(t *testing.T, dir string) []byte {
	t.Helper()
	mu.Lock()
	defer mu.Unlock()
	if built[dir] == nil {
		wasm := build(t, dir)
		warmCache(t, wasm)
		built[dir] = wasm
	}
	return built[dir]
}

// File is [Build] for whoever needs the path of a file, which is removed with
// the test.
func File(t *testing.T, dir string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "guest.wasm")
	require.NoError(t, os.WriteFile(name, Build(t, dir), 0o600))
	return name
}

func build(t *testing.T, dir string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "guest.wasm")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", out, dir)
	// The flags that the tests themselves are built with mean nothing to a guest.
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=")
	text, err := cmd.CombinedOutput()
	require.NoError(t, err, "build guest %s: %s", dir, text)
	wasm, err := os.ReadFile(out)
	require.NoError(t, err)
	return wasm
}

func warmCache(t *testing.T, wasm []byte) {
	t.Helper()
	host, err := eng.New(t.Context(), eng.WithCacheDir(CacheDir(t)))
	require.NoError(t, err)
	_, err = host.Compile(t.Context(), "guest", wasm)
	require.NoError(t, err)
	require.NoError(t, host.Close(context.WithoutCancel(t.Context())))
}

// CacheDir returns the folder for compiled guests that all tests share, so that
// a guest that did not change is not compiled again.
func CacheDir(t *testing.T) string {
	t.Helper()
	dir, err := os.UserCacheDir()
	if err != nil {
		return t.TempDir() // a machine without a home compiles each time
	}
	return filepath.Join(dir, "parigot", "test")
}
