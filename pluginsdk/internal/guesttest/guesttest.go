// Package guesttest builds the guests that tests run.
package guesttest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

var built sync.Map // package and flags → func() ([]byte, string)

// Build builds the Go package at dir, a path relative to the test's own folder,
// for wasip1 and returns the module. It is built once per test process.
func Build(tb testing.TB, dir string, flags ...string) []byte {
	tb.Helper()
	key := strings.Join(append([]string{dir}, flags...), "\x00")
	once, _ := built.LoadOrStore(key, sync.OnceValues(func() ([]byte, string) { return build(dir, flags) }))
	wasm, problem := once.(func() ([]byte, string))()
	require.Empty(tb, problem, "build guest %s", dir)
	return wasm
}

func build(dir string, flags []string) ([]byte, string) {
	tmp, err := os.MkdirTemp("", "guesttest")
	if err != nil {
		return nil, err.Error()
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	out := filepath.Join(tmp, "guest.wasm")
	cmd := exec.CommandContext(context.Background(), "go", append(append([]string{"build", "-o", out}, flags...), "./"+filepath.ToSlash(dir))...)
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=")
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, err.Error() + "\n" + string(text)
	}
	wasm, err := os.ReadFile(out)
	if err != nil {
		return nil, err.Error()
	}
	return wasm, ""
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
