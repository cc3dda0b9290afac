package eng

import (
	"context"
	"crypto/sha256"
	"embed"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/iansmith/parigot/internal/compiler"
	"github.com/iansmith/parigot/internal/fuel"
	"github.com/iansmith/parigot/internal/visible"
	"github.com/iansmith/parigot/internal/wasm"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// TestMain lets the engine compile in another process of the tests.
func TestMain(m *testing.M) {
	compiler.Main()
	os.Exit(m.Run())
}

// begins is a module with a start function, a table, a global and a data segment.
var begins = []byte(preamble + sectionOf(1, noType) + sectionOf(3, "\x02\x00\x00") + sectionOf(4, "\x01\x70\x00\x09") +
	sectionOf(5, "\x01\x00\x01") + sectionOf(6, "\x01\x7f\x01\x41\x00\x0b") + sectionOf(7, "\x01\x06_start\x00\x01") +
	sectionOf(8, "\x00") + sectionOf(10, "\x02\x02\x00\x0b\x02\x00\x0b") + sectionOf(11, "\x01\x00\x41\x05\x0b\x01x"))

// hostWithCache returns a host that is closed with the test.
func hostWithCache(t *testing.T, dir string, opts ...Option) *Host {
	t.Helper()
	h, err := New(t.Context(), append(opts, WithCacheDir(dir), WithLogger(slog.New(slog.DiscardHandler)))...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.Close(context.Background())) })
	return h
}

// TestCacheKeepsRewriting: another host takes the module as it was rewritten, and knows as much of it.
func TestCacheKeepsRewriting(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]GuestOption{"trusted": {Trusted()}, "interruptible": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			first := hostWithCache(t, dir)
			_, err := first.Compile(t.Context(), "begins", begins, opts...)
			require.NoError(t, err)
			second := hostWithCache(t, dir)
			for key := range first.programs {
				bare, err := hostWithCache(t, "").prepare(t.Context(), key, begins)
				require.NoError(t, err)
				require.Empty(t, bare.entry)
				kept, err := second.prepare(t.Context(), key, begins)
				require.NoError(t, err)
				require.NotEmpty(t, kept.entry)
				kept.entry, bare.Largest = "", 0
				require.Equal(t, bare, kept)
				key.pages--
				other, err := second.prepare(t.Context(), key, begins)
				require.NoError(t, err)
				require.Empty(t, other.entry, "with another limit it is another module")
			}
			g, err := second.Compile(t.Context(), "begins", begins, opts...)
			require.NoError(t, err)
			code, err := g.Run(t.Context())
			require.NoError(t, err)
			require.Zero(t, code)
		})
	}
}

// TestCacheKeepsLimits: a guest in the cache is refused as it would be without.
func TestCacheKeepsLimits(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	divisions := only(intType, "\x00"+getInt+times(2000, getInt+"\x6d")+"\x1a")
	_, err := hostWithCache(t, dir).Compile(t.Context(), "divisions", divisions)
	require.NoError(t, err)
	_, err = hostWithCache(t, dir, WithCompileMemory(1<<20)).Compile(t.Context(), "divisions", divisions)
	require.ErrorIs(t, err, status.Of(status.ResourceExhausted))
	require.ErrorContains(t, err, "compile_memory")
}

// TestPrecompile: another process compiles a large module, and the engine loads what that wrote. A
// module that it does not compile is the engine's.
func TestPrecompile(t *testing.T) {
	t.Parallel()
	h := hostWithCache(t, t.TempDir())
	large := only(noType, "\x00"+times(200_000, "\x41\x00\x1a"))
	key := programKey{sum: sha256.Sum256(large), pages: 1}
	m, err := h.prepare(t.Context(), key, large)
	require.NoError(t, err)
	require.Equal(t, runtime.GOMAXPROCS(0), m.workers)

	draft, err := h.cache.begin(key, m.Metered)
	require.NoError(t, err)
	same, err := h.cache.precompile(key, m, draft)
	require.NoError(t, err)
	require.Equal(t, draft, same)
	written := wazeroFile(t, draft)
	b, err := h.cache.build(t.Context(), draft, key, m)
	require.NoError(t, err)
	require.NoError(t, b.box.close(t.Context()))
	require.True(t, os.SameFile(written, wazeroFile(t, draft)), "it is not compiled again")

	m.Module = m.Module[:len(m.Module)-1]
	draft, err = h.cache.begin(key, m.Metered)
	require.NoError(t, err)
	other, err := h.cache.precompile(key, m, draft)
	require.NoError(t, err)
	require.NotEqual(t, draft, other)
	require.NoDirExists(t, draft)
	_, err = h.cache.compile(t.Context(), key, m)
	require.ErrorIs(t, err, status.Of(status.InvalidArgument))

	p, err := h.compile(t.Context(), key, large)
	require.NoError(t, err)
	require.NotNil(t, p)
	m, err = h.prepare(t.Context(), key, large)
	require.NoError(t, err)
	require.NotEmpty(t, m.entry)
	require.Zero(t, m.workers)
}

// wazeroFile returns the one file of wazero in a draft.
func wazeroFile(t *testing.T, draft string) os.FileInfo {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(draft, "*", "*"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	info, err := os.Stat(files[0])
	require.NoError(t, err)
	return info
}

// TestWorkersTakeMemory: all of them count, and there are as many as there is memory for.
func TestWorkersTakeMemory(t *testing.T) {
	t.Parallel()
	const memory, largest = 40 << 20, 5 << 20
	m := fuel.Metered{Module: make([]byte, leastShared), Memory: memory, Largest: largest}
	all := int64(runtime.GOMAXPROCS(0))
	for limit, want := range map[int64]int64{
		memory: 1, memory + largest - 1: 1, memory + largest: min(2, all), memory + all*largest: all,
	} {
		h := hostWithCache(t, t.TempDir(), WithCompileMemory(uint64(limit)))
		workers, takes := h.workers(m)
		require.Equal(t, int(want), workers)
		require.Equal(t, memory+(want-1)*largest, takes)
	}
	workers, takes := hostWithCache(t, "").workers(m)
	require.Zero(t, workers, "there is nowhere for its file")
	require.Equal(t, int64(memory), takes)
	m.Module = m.Module[1:]
	workers, _ = hostWithCache(t, t.TempDir()).workers(m)
	require.Zero(t, workers, "it is not worth a process")
}

// TestSource: the key of an entry depends on all source of the packages that rewrite modules.
func TestSource(t *testing.T) {
	t.Parallel()
	require.NotEqual(t, rewriting(), strings.Repeat("0", 64))
	for dir, source := range map[string]embed.FS{
		"../../internal/fuel": fuel.Source, "../../internal/wasm": wasm.Source, "../../internal/visible": visible.Source,
	} {
		found, err := os.ReadDir(dir)
		require.NoError(t, err)
		kept, err := source.ReadDir(".")
		require.NoError(t, err)
		require.Equal(t, goFiles(found), goFiles(kept), "add the file to the comment go:embed of %s/source.go", dir)
	}
}

// goFiles returns the names of Go files without tests.
func goFiles(files []os.DirEntry) (names []string) {
	for _, f := range files {
		if strings.HasSuffix(f.Name(), ".go") && !strings.HasSuffix(f.Name(), "_test.go") {
			names = append(names, f.Name())
		}
	}
	slices.Sort(names)
	return names
}

// TestWorkers: only a trusted guest is compiled by goroutines whose panics nobody can recover.
func TestWorkers(t *testing.T) {
	t.Parallel()
	require.LessOrEqual(t, experimental.GetCompilationWorkers(withWorkers(t.Context(), false)), 1)
	require.Equal(t, runtime.GOMAXPROCS(0), experimental.GetCompilationWorkers(withWorkers(t.Context(), true)))
}
