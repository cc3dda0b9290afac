package deploy

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// nothing is a guest that does nothing.
const nothing = "\x00asm\x01\x00\x00\x00" +
	"\x01\x04\x01\x60\x00\x00" + // type 0: () -> ()
	"\x03\x02\x01\x00" + // function 0 is of type 0
	"\x05\x03\x01\x00\x01" + // a memory
	"\x07\x13\x02\x06memory\x02\x00\x06_start\x00\x00" +
	"\x0a\x04\x01\x02\x00\x0b"

// TestRunWithoutACache: a run goes on with a damaged cache, and with one that it cannot use, and
// says so once. The run after that has nothing to say.
func TestRunWithoutACache(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "app.wasm"), []byte(nothing), 0o600))
	require.NoError(t, os.Symlink("loop", filepath.Join(dir, "loop")))
	run := func(cache string) (warnings string) {
		path := filepath.Join(dir, "f.yaml")
		require.NoError(t, os.WriteFile(path, []byte("engine: {cache_dir: "+cache+"}\nguests: [{name: app, wasm: app.wasm, main: true}]\n"), 0o600))
		f, err := Load(path)
		require.NoError(t, err)
		var log bytes.Buffer
		code, err := Run(t.Context(), f, WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))))
		require.NoError(t, err)
		require.Zero(t, code)
		return log.String()
	}
	require.Empty(t, run("cache"))
	files, err := filepath.Glob(filepath.Join(dir, "cache", "*", "*", "*"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	require.NoError(t, os.Truncate(files[0], 5_000_000))
	said := run("cache")
	require.Equal(t, 1, strings.Count(said, "\n"), said)
	require.Contains(t, said, "file="+files[0])
	require.Empty(t, run("cache"))

	said = run("loop")
	require.Equal(t, 1, strings.Count(said, "\n"), said)
	require.Contains(t, said, "compiled guests are not kept")
	require.Contains(t, said, "dir="+filepath.Join(dir, "loop"))
}
