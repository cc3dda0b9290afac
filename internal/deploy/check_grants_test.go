package deploy

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// importing returns a module that imports one function, under any names.
func importing(module, name string) []byte {
	section := func(id byte, content ...byte) []byte { return append([]byte{id, byte(len(content))}, content...) }
	text := func(s string) []byte { return append([]byte{byte(len(s))}, s...) }
	return slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
		section(1, 1, 0x60, 0, 0),
		section(2, slices.Concat([]byte{1}, text(module), text(name), []byte{0, 0})...))
}

// TestCheckForgedNames: what a guest calls its imports looks like no other finding.
func TestCheckForgedNames(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f.yaml")
	require.NoError(t, os.WriteFile(path, []byte("engine: {cache_dir: .}\nguests: [{name: app, wasm: app.wasm}]\n"), 0o600))
	module := importing("a.A\nf.yaml:1:1: forged", "B\x1b[2J")
	require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(path), "app.wasm"), module, 0o600))
	f, err := Load(path)
	require.NoError(t, err)
	err = f.Check(t.Context(), WithLogger(slog.New(slog.DiscardHandler)))
	var found *Error
	require.ErrorAs(t, err, &found)
	require.ErrorContains(t, err, `no plugin has what the guest imports: a.A\nf.yaml:1:1: forged.B\x1b[2J`)
	require.ErrorContains(t, err, `      - a.A\nf.yaml:1:1: forged.B\x1b[2J`)
	require.NotContains(t, err.Error(), "\x1b")
	for _, line := range strings.Split(err.Error(), "\n") {
		require.False(t, strings.HasPrefix(line, "f.yaml"), err)
	}
}

// TestCheckWithoutKernel: a guest that needs the kernel gets told where that is from.
func TestCheckWithoutKernel(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f.yaml")
	require.NoError(t, os.WriteFile(path, []byte("engine: {cache_dir: .}\nguests: [{name: app, wasm: app.wasm}]\n"), 0o600))
	module := importing("syscall.v1.Syscall", "Exit")
	require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(path), "app.wasm"), module, 0o600))
	f, err := Load(path)
	require.NoError(t, err)
	err = f.Check(t.Context(), WithLogger(slog.New(slog.DiscardHandler)))
	require.ErrorContains(t, err, `no plugin has what the guest imports: syscall.v1.Syscall.Exit; syscall.v1.Syscall is the kernel, through which guests serve each other: link it into the host
    pluginsdk.Register("syscall", syscall.ParigotInitialize) // of github.com/iansmith/parigot/examples/syscall
and add
    plugins:
      - name: syscall`)
	require.ErrorContains(t, err, "add to the guest\n    grants:\n      - syscall.v1.Syscall\n")
}

// TestNoCacheDir: that everything is compiled twice is said, with the remedy.
func TestNoCacheDir(t *testing.T) { //nolint:paralleltest // it changes the environment
	t.Setenv("HOME", "")
	t.Setenv("XDG_CACHE_HOME", "")
	for text, want := range map[string]string{
		"":                         "level=WARN msg=\"guests are compiled twice, and again by the next run, as there is nowhere to keep them: set engine.cache_dir\"",
		"engine: {cache_dir: c}\n": "",
	} {
		var log bytes.Buffer
		f, err := parse("f.yaml", []byte(text+"guests: [{name: app, wasm: app.wasm}]\n"))
		require.NoError(t, err)
		f.engineOptions(slog.New(slog.NewTextHandler(&log, nil)))
		require.Contains(t, log.String(), want)
		require.Equal(t, want == "", log.Len() == 0, log.String())
	}
}
