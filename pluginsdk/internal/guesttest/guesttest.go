// Package guesttest builds the guests that tests run.
package guesttest

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

var built sync.Map // package and flags → func() ([]byte, string)

// Build builds the Go package at dir, a path relative to the test's own folder,
// for wasip1 and returns the module. It is built once per test process.
func Build(t testing.TB, dir string, flags ...string) []byte {
	t.Helper()
	key := dir
	for _, f := range flags {
		key += "\x00" + f
	}
	once, _ := built.LoadOrStore(key, sync.OnceValues(func() ([]byte, string) { return build(dir, flags) }))
	wasm, problem := once.(func() ([]byte, string))()
	require.Empty(t, problem, "build guest %s", dir)
	return wasm
}

func build(dir string, flags []string) ([]byte, string) {
	tmp, err := os.MkdirTemp("", "guesttest")
	if err != nil {
		return nil, err.Error()
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	out := filepath.Join(tmp, "guest.wasm")
	cmd := exec.Command("go", append(append([]string{"build", "-o", out}, flags...), "./"+filepath.ToSlash(dir))...)
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
func CacheDir(t testing.TB) string {
	t.Helper()
	dir, err := os.UserCacheDir()
	if err != nil {
		return t.TempDir() // a machine without a home compiles each time
	}
	return filepath.Join(dir, "parigot", "test")
}
