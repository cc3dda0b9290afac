package eng

import (
	"context"
	"embed"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/iansmith/parigot/internal/fuel"
	"github.com/iansmith/parigot/internal/visible"
	"github.com/iansmith/parigot/internal/wasm"
	"github.com/iansmith/parigot/pluginsdk/status"
)

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
				kept.entry = ""
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
