package hostile

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/internal/wasm/wasmtest"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/status"
)

var full = flag.Bool("hostile.full", false, "run all modules, for longer, on a machine that does nothing else: the bounds are narrow")

// The limits of the guests.
const (
	memoryLimit     = 64 << 20
	hostMemoryLimit = 64 << 20
	stackLimit      = 16 << 20
	compileMemory   = 64 << 20
	diskLimit       = 8 << 20
	maxOpenFiles    = 200
	// room is for what the host needs for itself, the compiled module included.
	room = 64 << 20
)

// bounds are how long a guest may run, how much later it may end, and how long a call of
// another guest may take meanwhile.
func bounds() (limit, late, neighbour time.Duration) {
	if *full {
		return 2 * time.Second, 50 * time.Millisecond, 250 * time.Millisecond // as docs/security.md promises
	}
	return 200 * time.Millisecond, 20 * time.Second, 20 * time.Second
}

// hostile is a module, and what becomes of it: "stopped" at its time limit, "exit" and its
// code, "refused" by Compile with a text, or "fails" with one.
type hostile struct {
	name  string
	build func(m *wasmtest.Module)
	opts  []eng.GuestOption
	want  string
	// long is set if the module takes long, and runs in full only.
	long bool
}

// TestHostile: whatever a module does, the host's memory stays within the limits, the guest
// is stopped soon after its time limit, and calls of another guest go on.
func TestHostile(t *testing.T) { //nolint:paralleltest // it measures
	dir := crowded(t)
	for _, h := range slices.Concat(modules(), engineModules()) {
		if h.long && !*full {
			continue
		}
		t.Run(h.name, func(t *testing.T) { //nolint:paralleltest // it measures
			h.run(t, dir)
		})
	}
}

func (h hostile) run(t *testing.T, dir string) {
	limit, late, neighbour := bounds()
	if h.want != "stopped" {
		limit = time.Minute // it ends by itself
	}
	host, err := eng.New(t.Context(), eng.WithLogger(slog.New(slog.DiscardHandler)),
		eng.WithMemoryLimit(memoryLimit), eng.WithHostMemoryLimit(hostMemoryLimit), eng.WithStackLimit(stackLimit), eng.WithCompileMemory(compileMemory), eng.WithDiskLimit(diskLimit), eng.WithMaxOpenFiles(maxOpenFiles))
	require.NoError(t, err)
	defer func() { require.NoError(t, host.Close(context.Background())) }()
	registerPlugin(t, host)
	var m wasmtest.Module
	h.build(&m)
	module := m.Bytes()

	watch := startWatch(t, host)
	start := time.Now()
	guest, err := host.Compile(t.Context(), "hostile", module, h.opts...)
	compiled := time.Since(start)
	var took time.Duration
	var usage eng.Usage
	if err == nil {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		start = time.Now()
		var code uint32
		code, err = guest.Run(ctx, eng.WithMount(dir, "/d", true), eng.WithStdout(new(counter)), eng.WithStderr(new(counter)), eng.WithUsage(&usage))
		if took = time.Since(start); err == nil {
			err = fmt.Errorf("exit %d", code)
		}
	}
	heap, slowest := watch()
	code := machineCode(t)
	t.Logf("%d bytes of wasm: compiled in %v, ran %v with a limit of %v; heap +%s, machine code %s, memory %s; slowest call of a neighbour %v; %.200v",
		len(module), compiled.Round(time.Millisecond), took.Round(time.Millisecond), limit,
		humanize.IBytes(heap), humanize.IBytes(code), humanize.IBytes(usage.Memory), slowest.Round(time.Millisecond), err)

	refusal, refused := strings.CutPrefix(h.want, "refused ")
	require.Equal(t, refused, guest == nil, "whether it compiles: %v", err)
	if h.want == "stopped" {
		require.ErrorIs(t, err, status.Of(status.DeadlineExceeded))
	} else {
		require.ErrorContains(t, err, strings.TrimPrefix(refusal, "fails "))
	}
	require.Less(t, took, limit+late)
	require.Less(t, heap, uint64(hostMemoryLimit+room))
	require.Less(t, code, uint64(compileMemory))
	require.LessOrEqual(t, usage.Memory, uint64(memoryLimit))
	require.Less(t, slowest, neighbour)
}

// crowded returns a directory with many files.
func crowded(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for i := range 3000 {
		require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("file-with-a-name-%d", i)), nil, 0o600))
	}
	return dir
}

// counter counts what a guest writes.
type counter struct{ n atomic.Int64 }

// Write implements [io.Writer].
func (c *counter) Write(p []byte) (int, error) {
	c.n.Add(int64(bytes.Count(p, []byte{'\n'})))
	return len(p), nil
}

// startWatch watches the host until the function that it returns is called: how much its live
// heap grew, after a collection, and how long a call of another guest took.
func startWatch(t *testing.T, host *eng.Host) (stop func() (heap uint64, slowest time.Duration)) {
	t.Helper()
	var m wasmtest.Module
	m.Export("ping", m.Func("", wasmtest.I32, "", wasmtest.Const(1)))
	program, err := host.Compile(t.Context(), "neighbour", m.Bytes())
	require.NoError(t, err)
	neighbour, err := program.Instantiate(t.Context())
	require.NoError(t, err)
	before := live()
	end, ended := make(chan struct{}), make(chan struct{})
	var most uint64
	var slowest time.Duration
	var failed error
	go func() {
		defer close(ended)
		for tick := time.NewTicker(20 * time.Millisecond); ; {
			start := time.Now()
			_, err := neighbour.Call(context.Background(), "ping")
			slowest = max(slowest, time.Since(start))
			failed = errors.Join(failed, err)
			most = max(most, min(live(), live())) // what is freed during the one is not in the other
			select {
			case <-tick.C:
			case <-end:
				tick.Stop()
				return
			}
		}
	}()
	return func() (uint64, time.Duration) {
		close(end)
		<-ended
		require.NoError(t, failed)
		require.NoError(t, neighbour.Close(context.Background()))
		return most - min(before, most), slowest
	}
}

// live returns the size of the live heap, after a collection.
func live() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// machineCode returns the size of the mappings with machine code that compilers have made, on
// Linux.
func machineCode(t *testing.T) (sum uint64) {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if runtime.GOOS != "linux" {
		return 0
	}
	require.NoError(t, err)
	for line := range strings.Lines(string(maps)) {
		var from, to, offset, inode uint64
		var flags, device string
		_, err := fmt.Sscanf(line, "%x-%x %s %x %s %d", &from, &to, &flags, &offset, &device, &inode)
		require.NoError(t, err, line)
		if strings.Contains(flags, "x") && inode == 0 {
			sum += to - from
		}
	}
	return sum
}
