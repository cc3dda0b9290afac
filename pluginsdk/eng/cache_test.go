package eng_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/iansmith/parigot/pluginsdk/eng"
)

// compileTiny compiles a guest in a host of its own, runs it, and returns the log.
func compileTiny(t *testing.T, dir string, between ...func()) string {
	t.Helper()
	var log bytes.Buffer
	h, err := eng.New(t.Context(), eng.WithCacheDir(dir), eng.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	require.NoError(t, err)
	for _, f := range between {
		f()
	}
	require.NoError(t, runTiny(t.Context(), h))
	return log.String()
}

// runTiny closes the host.
func runTiny(ctx context.Context, h *eng.Host) error {
	g, err := h.Compile(ctx, "tiny", []byte(tiny))
	if err == nil {
		_, err = g.Run(ctx)
	}
	return errors.Join(err, h.Close(ctx))
}

// machineCode returns the file of the one guest in a cache directory.
func machineCode(t *testing.T, dir string) string {
	t.Helper()
	var files []string
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && filepath.Base(path) != "SHA256SUMS" {
			files = append(files, path)
		}
		return err
	}))
	require.Len(t, files, 1, "one guest, and nothing left behind")
	return files[0]
}

// TestCacheDamaged: whatever became of a file, the guest is compiled again, and the log names the
// file. The next host finds a good one.
func TestCacheDamaged(t *testing.T) {
	t.Parallel()
	truncate := func(size int64) func(string) error {
		return func(file string) error { return os.Truncate(file, size) }
	}
	for name, damage := range map[string]func(file string) error{
		"empty": truncate(0),
		"short": truncate(70),
		"long":  truncate(5_000_000),
		"gone":  os.Remove,
		"a directory": func(file string) error {
			return errors.Join(os.Remove(file), os.Mkdir(file, 0o700))
		},
		"no checksum": func(file string) error {
			return os.Truncate(filepath.Join(filepath.Dir(filepath.Dir(file)), "SHA256SUMS"), 3)
		},
		// wazero trusts it, and would call an address outside of the code.
		"offset of a function": func(file string) error {
			text, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			version := int(text[6])
			text[7+version+4+3] ^= 0x40
			return os.WriteFile(file, text, 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			require.Empty(t, compileTiny(t, dir))
			file := machineCode(t, dir)
			require.NoError(t, damage(file))
			log := compileTiny(t, dir)
			require.Equal(t, 1, strings.Count(log, "level=WARN"), log)
			require.Contains(t, log, "file="+filepath.Dir(filepath.Dir(file)))
			require.Empty(t, compileTiny(t, dir))
			require.Equal(t, file, machineCode(t, dir))
		})
	}
}

// TestCacheUnusable: without a place for its files a host compiles, and says so once.
func TestCacheUnusable(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "cache")
	log := compileTiny(t, dir, func() {
		require.NoError(t, os.Remove(dir))
		require.NoError(t, os.WriteFile(dir, nil, 0o600))
	})
	require.Equal(t, 1, strings.Count(log, "level=WARN"), log)
	require.Contains(t, log, "compiled guests are not kept")
	require.Contains(t, log, "dir="+dir)

	log = compileTiny(t, dir)
	require.Equal(t, 1, strings.Count(log, "level=WARN"), "a file from the start: "+log)
	require.Contains(t, log, "not a directory")
	require.Contains(t, log, "or name another")
}

// TestCacheFull compiles on a disk that takes no bytes: in a process whose files may have none.
func TestCacheFull(t *testing.T) {
	t.Parallel()
	const variable = "PARIGOT_TEST_FULL_CACHE"
	if dir := os.Getenv(variable); dir != "" {
		log := compileTiny(t, dir)
		require.Equal(t, 1, strings.Count(log, "level=WARN"), log)
		require.Contains(t, log, "compiled guests are not kept")
		return
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `ulimit -f 0; exec "$0" -test.run '^TestCacheFull$'`, os.Args[0])
	cmd.Env = append(os.Environ(), variable+"="+dir)
	text, err := cmd.CombinedOutput()
	require.NoError(t, err, string(text))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

// TestCacheShared: hosts that compile the same guest at the same time keep it once.
func TestCacheShared(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var all errgroup.Group
	for range 8 {
		h, err := eng.New(t.Context(), eng.WithCacheDir(dir))
		require.NoError(t, err)
		all.Go(func() error { return runTiny(t.Context(), h) })
	}
	require.NoError(t, all.Wait())
	machineCode(t, dir)
	require.Empty(t, compileTiny(t, dir))
}
