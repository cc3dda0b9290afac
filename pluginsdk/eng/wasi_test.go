package eng_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/internal/wasm/wasmtest"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/status"
)

const (
	i32, i64 = wasmtest.I32, wasmtest.I64
	wasi     = "wasi_snapshot_preview1"
)

// wasiGuest is a guest that does something with functions of WASI, and whose exit code is an
// errno. It has a directory at descriptor 3, and paths in its memory.
type wasiGuest struct {
	wasmtest.Module
	exit uint32
}

func newWASIGuest() *wasiGuest {
	g := new(wasiGuest)
	g.exit = g.Import(wasi, "proc_exit", i32, "")
	g.Memory(4, 4)
	g.Data(100, "new") // a name
	return g
}

// open is code that opens the file "new", made if need be, and stores its descriptor at 200.
func (g *wasiGuest) open(function uint32) string {
	return wasmtest.Const(3) + wasmtest.Const(0) + wasmtest.Const(100) + wasmtest.Const(3) + wasmtest.Const(1) +
		wasmtest.Const64(1<<6|1<<1) + wasmtest.Const64(0) + wasmtest.Const(0) + wasmtest.Const(200) + wasmtest.Call(function)
}

const openParams = i32 + i32 + i32 + i32 + i32 + i64 + i64 + i32 + i32

// run runs code, which leaves an errno, and returns it.
func (g *wasiGuest) run(t *testing.T, dir, code string, opts ...eng.GuestOption) uint32 {
	t.Helper()
	g.Start(code + wasmtest.Call(g.exit))
	program, err := newHost(t).Compile(t.Context(), t.Name(), g.Bytes(), opts...)
	require.NoError(t, err)
	errno, err := program.Run(t.Context(), eng.WithMount(dir, "/d", true))
	require.NoError(t, err)
	return errno
}

// TestFilesOfGuestsThatAwait: a guest whose calls may be pending learns as much of its files as any.
func TestFilesOfGuestsThatAwait(t *testing.T) {
	t.Parallel()
	g := newWASIGuest()
	g.Import("parigot", "await", i64+i32+i32, i64)
	open, stat := g.Import(wasi, "path_open", openParams, i32), g.Import(wasi, "fd_fdstat_get", i32+i32, i32)
	errno := g.run(t, t.TempDir(), g.open(open)+wasmtest.Drop+wasmtest.Const(200)+wasmtest.Load+wasmtest.Const(300)+wasmtest.Call(stat))
	require.Zero(t, errno)
}

// TestWASIBounds: what a call of WASI may cost is bounded before wazero looks at it.
func TestWASIBounds(t *testing.T) {
	t.Parallel()
	const tooMany, fileTooLong, badFD, inval, noSpace, nameTooLong = 1 << 30, 1 << 20, 8, 28, 51, 37
	c, c64 := wasmtest.Const, wasmtest.Const64
	tests := map[string]struct {
		params string
		args   string // the descriptor of the file is at 200
		want   uint32
	}{
		"fd_renumber":           {i32 + i32, c(200) + wasmtest.Load + c(0x7fffffff), badFD},
		"fd_read":               {i32 + i32 + i32 + i32, c(0) + c(0) + c(1025) + c(300), inval},
		"fd_write":              {i32 + i32 + i32 + i32, c(1) + c(0) + c(1<<29) + c(300), inval},
		"fd_pread":              {i32 + i32 + i32 + i64 + i32, c(200) + wasmtest.Load + c(0) + c(1<<29) + c64(0) + c(300), inval},
		"fd_pwrite":             {i32 + i32 + i32 + i64 + i32, c(200) + wasmtest.Load + c(0) + c(1<<29) + c64(0) + c(300), inval},
		"sock_send":             {i32 + i32 + i32 + i32 + i32, c(1) + c(0) + c(1<<29) + c(0) + c(300), inval},
		"sock_recv":             {i32 + i32 + i32 + i32 + i32 + i32, c(1) + c(0) + c(1<<29) + c(0) + c(300) + c(304), inval},
		"fd_readdir":            {i32 + i32 + i32 + i64 + i32, c(3) + c(0) + c(tooMany) + c64(0) + c(300), inval},
		"poll_oneoff":           {i32 + i32 + i32 + i32, c(0) + c(0) + c(1<<26) + c(300), inval},
		"path_create_directory": {i32 + i32 + i32, c(3) + c(0) + c(4097), nameTooLong},
		"path_unlink_file":      {i32 + i32 + i32, c(3) + c(0) + c(1<<31), nameTooLong},
		"path_rename":           {i32 + i32 + i32 + i32 + i32 + i32, c(3) + c(100) + c(3) + c(3) + c(0) + c(4097), nameTooLong},
		"fd_allocate":           {i32 + i64 + i64, c(200) + wasmtest.Load + c64(0) + c64(fileTooLong+1), noSpace},
		"fd_filestat_set_size":  {i32 + i64, c(200) + wasmtest.Load + c64(1<<50), noSpace},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newWASIGuest()
			open := g.Import(wasi, "path_open", openParams, i32)
			f := g.Import(wasi, name, tt.params, i32)
			code := g.open(open) + wasmtest.Drop + tt.args + wasmtest.Call(f)
			require.Equal(t, tt.want, g.run(t, t.TempDir(), code, eng.GuestDiskLimit(fileTooLong)))
		})
	}
}

// TestDiskLimit: an instance adds no more to its directories than it may, and what it removes
// makes room again, once no file has it any more.
func TestDiskLimit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "old"), make([]byte, 5<<20), 0o600))
	rw := []eng.RunOption{eng.WithMount(dir, "/rw", true)}
	got := fileOperations(t, rw, []string{
		"grow /rw/a 600000", "grow /rw/b 600000", "remove /rw/a", "grow /rw/b 600000", "grow /rw/b 10", "rename /rw/b /rw/c", "grow /rw/d 600000",
		"grow /rw/old 100", "remove /rw/old", "remove /rw/c", "grow /rw/e 1040000", "grow /rw/f 10", "mkdir /rw/dir",
	}, eng.GuestDiskLimit(1<<20))
	require.Equal(t, []string{
		"grow /rw/a 600000: done", "grow /rw/b 600000: No space left on device", "remove /rw/a: done", "grow /rw/b 600000: done", "grow /rw/b 10: done",
		"rename /rw/b /rw/c: done", "grow /rw/d 600000: No space left on device",
		"grow /rw/old 100: done", "remove /rw/old: done", "remove /rw/c: done", "grow /rw/e 1040000: done", "grow /rw/f 10: done",
		"mkdir /rw/dir: No space left on device",
	}, got)
}

// TestDiskUsed: an instance goes on where an earlier one ended, once all of its files are closed.
func TestDiskUsed(t *testing.T) {
	t.Parallel()
	g := compile(t, newHost(t), eng.GuestDiskLimit(1<<20))
	run := func(used uint64, operation string) (string, uint64) {
		var out bytes.Buffer
		var usage eng.Usage
		_, err := g.Run(t.Context(), eng.WithArgs("files", operation), eng.WithStdout(&out),
			eng.WithMount(t.TempDir(), "/rw", true), eng.WithDiskUsed(used), eng.WithUsage(&usage))
		require.NoError(t, err)
		return out.String(), usage.Disk
	}
	out, used := run(0, "grow /rw/a 600000")
	require.Contains(t, out, "done")
	require.EqualValues(t, 600_000+4096, used)
	out, used = run(used, "grow /rw/a 600000")
	require.Contains(t, out, "No space left on device")
	require.EqualValues(t, 600_000+2*4096, used)
	_, used = run(1<<40, "mkdir /rw/a")
	require.EqualValues(t, 1<<20, used)
}

// TestLibraryExitsAtItsStart: the error has the exit code, and says where the reason is.
func TestLibraryExitsAtItsStart(t *testing.T) {
	t.Parallel()
	var m wasmtest.Module
	exit := m.Import(wasi, "proc_exit", i32, "")
	m.Memory(1, 1)
	m.Export("_initialize", m.Func("", "", "", wasmtest.Const(2)+wasmtest.Call(exit)))
	library, err := newHost(t).Compile(t.Context(), "library", m.Bytes())
	require.NoError(t, err)
	_, err = library.Instantiate(t.Context())
	require.ErrorIs(t, err, status.Of(status.Aborted))
	require.EqualError(t, err, `run guest "library": ABORTED: exited with 2 while it started; its standard error (eng.WithStderr) says why`)
}

// TestRandomIsInterruptible: a guest that gets random bytes by the gigabyte is stopped.
func TestRandomIsInterruptible(t *testing.T) {
	t.Parallel()
	var m wasmtest.Module
	random := m.Import(wasi, "random_get", i32+i32, i32)
	m.Memory(1<<14, 1<<14)
	m.Start(wasmtest.Forever(wasmtest.Const(0) + wasmtest.Const(1<<30) + wasmtest.Call(random) + wasmtest.Drop))
	program, err := newHost(t, eng.WithMemoryLimit(1<<30)).Compile(t.Context(), "random", m.Bytes(), eng.Trusted())
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = program.Run(ctx)
	require.ErrorIs(t, err, status.Of(status.DeadlineExceeded))
	require.ErrorContains(t, err, "stopped while it was running: DEADLINE_EXCEEDED: the deadline of its context passed")
}

// TestWASIAllocatesNothing: what guests do all the time costs the host no allocation.
func TestWASIAllocatesNothing(t *testing.T) { //nolint:paralleltest // it counts allocations
	var m wasmtest.Module
	write := m.Import(wasi, "fd_write", i32+i32+i32+i32, i32)
	clock := m.Import(wasi, "clock_time_get", i32+i64+i32, i32)
	m.Memory(1, 1)
	m.Data(0, "\x00\x01\x00\x00\x10\x00\x00\x00") // 16 bytes
	m.Export("nothing", m.Func("", "", "", ""))
	m.Export("work", m.Func("", "", i32, wasmtest.Times(100, 0,
		wasmtest.Const(1)+wasmtest.Const(0)+wasmtest.Const(1)+wasmtest.Const(300)+wasmtest.Call(write)+wasmtest.Drop+
			wasmtest.Const(1)+wasmtest.Const64(0)+wasmtest.Const(400)+wasmtest.Call(clock)+wasmtest.Drop)))
	program, err := newHost(t).Compile(t.Context(), "work", m.Bytes())
	require.NoError(t, err)
	i, err := program.Instantiate(t.Context(), eng.WithStdout(io.Discard))
	require.NoError(t, err)
	defer func() { require.NoError(t, i.Close(context.Background())) }()
	allocations := func(function string) float64 {
		return testing.AllocsPerRun(20, func() {
			_, err := i.Call(context.Background(), function)
			require.NoError(t, err)
		})
	}
	// wazero's own fd_write and clock_time_get may allocate; a hundred of them show it.
	require.Less(t, allocations("work")-allocations("nothing"), 10.0)
}
