package eng_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
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

// machineCode returns the file of wazero in the one entry of a cache directory.
func machineCode(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1, "one guest, and nothing left behind")
	files, err := filepath.Glob(filepath.Join(dir, "*", "*", "*"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	return files[0]
}

// beside changes a file of the engine in the entry that has a file of wazero.
func beside(name string, change func(file string) error) func(string) error {
	return func(file string) error { return change(filepath.Join(filepath.Dir(filepath.Dir(file)), name)) }
}

// resealed has the checksums fit what was changed.
func resealed(change func(string) error) func(string) error {
	return func(file string) error {
		if err := change(file); err != nil {
			return err
		}
		entry := filepath.Dir(filepath.Dir(file))
		var text bytes.Buffer
		for _, name := range []string{"module.json", "module.wasm", filepath.Join(filepath.Base(filepath.Dir(file)), filepath.Base(file))} {
			content, err := os.ReadFile(filepath.Join(entry, name))
			if err != nil {
				return err
			}
			fmt.Fprintf(&text, "%x  %s\n", sha256.Sum256(content), name)
		}
		return os.WriteFile(filepath.Join(entry, "SHA256SUMS"), text.Bytes(), 0o600)
	}
}

func truncated(size int64) func(string) error {
	return func(file string) error { return os.Truncate(file, size) }
}

// replaced replaces what is in a file.
func replaced(before, after string) func(string) error {
	return func(file string) error {
		text, err := os.ReadFile(file)
		if err == nil && !bytes.Contains(text, []byte(before)) {
			err = fmt.Errorf("%s has no %q", file, before)
		}
		return errors.Join(err, os.WriteFile(file, bytes.ReplaceAll(text, []byte(before), []byte(after)), 0o600))
	}
}

// withoutCode makes wazero panic: there is a map of source lines, and no code.
func withoutCode(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	head := text[:7+int(text[6])]
	return os.WriteFile(file, append(head, "\x00\x00\x00\x00"+"\x00\x00\x00\x00\x00\x00\x00\x00"+"\x01"+"\x01\x00\x00\x00\x00\x00\x00\x00"...), 0o600)
}

// damages are what may become of an entry.
var damages = map[string]func(file string) error{
	"empty": truncated(0),
	"short": truncated(70),
	"long":  truncated(5_000_000),
	"gone":  os.Remove,
	"a directory": func(file string) error {
		return errors.Join(os.Remove(file), os.Mkdir(file, 0o700))
	},
	"no checksum":      beside("SHA256SUMS", truncated(3)),
	"no checksums":     beside("SHA256SUMS", truncated(0)),
	"one more file":    func(file string) error { return os.WriteFile(file+"2", nil, 0o600) },
	"module short":     beside("module.wasm", truncated(20)),
	"module gone":      beside("module.wasm", os.Remove),
	"head short":       beside("module.json", truncated(20)),
	"no head":          resealed(beside("module.json", truncated(0))),
	"of another guest": resealed(beside("module.json", replaced(`"key":"`, `"key":"00`))),
	"memory":           resealed(beside("module.json", replaced(`"memory":`, `"memory":-`))),
	"no module":        resealed(beside("module.wasm", truncated(0))),
	"sealed short":     resealed(truncated(70)),
	"wazero panics":    resealed(withoutCode),
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
}

// TestCacheDamaged: whatever became of a file, the guest is compiled again, and the log names the
// file. The next host finds a good one.
func TestCacheDamaged(t *testing.T) {
	t.Parallel()
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			require.Empty(t, compileTiny(t, dir))
			file := machineCode(t, dir)
			require.NoError(t, damage(file))
			log := compileTiny(t, dir)
			require.Equal(t, 1, strings.Count(log, "level=WARN"), log)
			require.Contains(t, log, filepath.Dir(filepath.Dir(file)))
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
