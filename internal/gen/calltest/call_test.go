//go:build !wasip1

package calltest

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/examples/syscall"
	"github.com/iansmith/parigot/internal/gen/testdata/allgoldens"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/plugintest"
)

// times returns the methods as a log has them when each was called n times.
func times(n int, methods []string) (all []string) {
	for _, m := range methods {
		all = append(all, slices.Repeat([]string{m}, n)...)
	}
	return all
}

// log remembers which methods were called.
type log struct {
	mu      sync.Mutex
	methods []string
}

func (l *log) add(method string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.methods = append(l.methods, method)
}

// TestEveryMethodFromGuest runs one guest that calls every golden method, also with a
// borrowed client and as a future, through stub, bridge and implementation. Both ends check what they get. Without options
// and with Borrowed everything is the same.
func TestEveryMethodFromGuest(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]pluginsdk.ServiceOption{"plain": nil, "borrowed": {pluginsdk.Borrowed()}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var calls log
			host, guest := setup(t, calls.add, opts...)
			require.NoError(t, guest.CheckImports())
			require.Empty(t, run(t, guest))
			require.NoError(t, host.Close(t.Context()))
			require.Equal(t, times(4, allgoldens.Methods), calls.methods)
		})
	}
}

// setup makes an engine with all golden services and the kernel, and the guest that
// calls and serves them.
func setup(t *testing.T, seen allgoldens.Seen, opts ...pluginsdk.ServiceOption) (*eng.Host, *eng.Guest) {
	t.Helper()
	ctx := t.Context()
	host := plugintest.Engine(t)
	require.NoError(t, allgoldens.Register(ctx, host, seen, opts...))
	require.NoError(t, pluginsdk.Start(ctx, host, syscall.ParigotInitialize))
	return host, plugintest.Guest(t, host, "../testdata/allgoldens/guest")
}

// run runs a guest, which has to end well, and returns what it says.
func run(t *testing.T, guest *eng.Guest, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	code, err := guest.Run(t.Context(), eng.WithArgs(args...), eng.WithStdout(&out), eng.WithStderr(&out))
	require.NoError(t, err, out.String())
	require.Zero(t, code, out.String())
	return out.String()
}

// TestEveryMethodBetweenGuests runs one guest that serves every golden service, and one
// that calls every method. Both check what they get.
func TestEveryMethodBetweenGuests(t *testing.T) {
	t.Parallel()
	_, guest := setup(t, func(method string) { t.Errorf("%s was called in the host", method) })
	served := make(chan uint32)
	go func() {
		code, err := guest.Run(t.Context(), eng.WithArgs("serve"))
		assert.NoError(t, err)
		served <- code
	}()
	require.Empty(t, run(t, guest, "locate"))
	require.Zero(t, <-served)
}

// TestEveryMethodFromHost calls every golden method through a connection.
func TestEveryMethodFromHost(t *testing.T) {
	t.Parallel()
	var calls log
	require.NoError(t, allgoldens.Call(t.Context(), allgoldens.Seen(calls.add)))
	require.Equal(t, times(2, allgoldens.Methods), calls.methods)
}

// TestEveryMethodLocally calls every golden method through its local client.
func TestEveryMethodLocally(t *testing.T) {
	t.Parallel()
	var calls log
	require.NoError(t, allgoldens.CallLocal(t.Context(), calls.add))
	require.Equal(t, times(2, allgoldens.Methods), calls.methods)
}

// TestDescriptors: the description of a service has the descriptors of the generated Go
// code, if the code imports that for its messages.
func TestDescriptors(t *testing.T) {
	t.Parallel()
	found := 0
	for _, s := range allgoldens.Described {
		if s.Descriptor == nil {
			continue
		}
		found++
		require.Equal(t, s.Name, string(s.Descriptor().FullName()))
		for i := range s.Methods {
			m := s.Bound(i)
			require.Equal(t, m.FullName, string(m.Descriptor().FullName()))
		}
	}
	require.Greater(t, found, 40)
	require.Less(t, found, len(allgoldens.Described))
}

// TestGoldensVet builds and vets all golden packages, for the host and for the
// guest. "./..." leaves out testdata.
func TestGoldensVet(t *testing.T) {
	t.Parallel()
	all := packages(t)
	t.Run("host", func(t *testing.T) {
		t.Parallel()
		goTool(t, nil, append([]string{"vet"}, without(all, "/guest")...)...)
	})
	t.Run("guest", func(t *testing.T) {
		t.Parallel()
		// Implementations are host code.
		guest := without(all, "_impl", "/allgoldens")
		goTool(t, []string{"GOOS=wasip1", "GOARCH=wasm"}, append([]string{"vet"}, guest...)...)
	})
}

// without returns the directories whose names have none of the endings.
func without(dirs []string, endings ...string) []string {
	return slices.DeleteFunc(slices.Clone(dirs), func(dir string) bool {
		return slices.ContainsFunc(endings, func(ending string) bool { return strings.HasSuffix(dir, ending) })
	})
}

// packages returns the directories below testdata with Go files, except for
// those of cases that say that their output does not build by itself.
func packages(t *testing.T) []string {
	t.Helper()
	var dirs []string
	err := filepath.WalkDir("../testdata", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		params, _ := os.ReadFile(filepath.Join(path, "params"))
		if strings.Contains(string(params), "compile: no") {
			return filepath.SkipDir
		}
		if files, _ := filepath.Glob(filepath.Join(path, "*.go")); len(files) > 0 {
			dirs = append(dirs, filepath.ToSlash(path))
		}
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, len(dirs), 100)
	return dirs
}

func goTool(t *testing.T, env []string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
}
