package hostile

import (
	"strings"

	"github.com/iansmith/parigot/pluginsdk/eng"

	. "github.com/iansmith/parigot/internal/wasm/wasmtest" // the language of this file
)

const (
	wasi       = "wasi_snapshot_preview1"
	openParams = I32 + I32 + I32 + I32 + I32 + I64 + I64 + I32 + I32

	// Where things are in the memory of a module: a name, a descriptor, a result.
	nameAt, fdAt, resultAt = 100, 200, 300
	iovecsAt               = 1024
)

// modules are all of them. Add one as an entry.
func modules() []hostile {
	return []hostile{
		{name: "loops", want: "stopped", build: func(m *Module) { m.Start(Forever("")) }},
		{name: "loops in its start function", want: "stopped", build: func(m *Module) {
			f := m.Func("", "", "", Forever(""))
			m.Section(8, Uleb(uint64(f)))
			m.Start("")
		}},
		{name: "calls nothing that takes long", want: "stopped", build: func(m *Module) {
			yield, raise := m.Import(wasi, "sched_yield", "", I32), m.Import(wasi, "proc_raise", I32, I32)
			clock, resolution := m.Import(wasi, "clock_time_get", I32+I64+I32, I32), m.Import(wasi, "clock_res_get", I32+I32, I32)
			m.Memory(1, 1)
			m.Start(Forever(Call(yield) + Drop + Const(9) + Call(raise) + Drop +
				Const(1) + Const64(0) + Const(0) + Call(clock) + Drop + Const(0) + Const(0) + Call(resolution) + Drop))
		}},
		{name: "sleeps", want: "stopped", build: func(m *Module) {
			poll := m.Import(wasi, "poll_oneoff", I32+I32+I32+I32, I32)
			m.Memory(1, 1)
			m.Data(24, strings.Repeat("\xff", 7)) // of two billion seconds
			m.Start(Forever(Const(0) + Const(1024) + Const(1) + Const(resultAt) + Call(poll) + Drop))
		}},
		{name: "polls for a lot", want: "stopped", build: func(m *Module) {
			poll := m.Import(wasi, "poll_oneoff", I32+I32+I32+I32, I32)
			m.Memory(100, 100)
			m.Start(Forever(Const(0) + Const(1<<20) + Const(4096) + Const(5<<20) + Call(poll) + Drop))
		}},
		{name: "grows", want: "stopped", build: func(m *Module) {
			m.Memory(1, 65536)
			m.Table(1)
			m.Start(Forever(Const(1) + MemoryGrow + Drop + "\xd0\x70" + Const(1) + "\xfc\x0f\x00" + Drop))
		}},
		{name: "has the largest table", want: "stopped", build: func(m *Module) {
			m.Table(1 << 20)
			m.Start(Forever(""))
		}},
		{name: "has tables that are larger than its limit", want: "fails more than its host_memory_limit", opts: []eng.GuestOption{eng.GuestHostMemoryLimit(1 << 20)}, build: func(m *Module) {
			m.Table(1 << 18)
			m.Start("")
		}},
		{name: "has a tag section", want: "refused tag section not supported", opts: []eng.GuestOption{eng.Trusted()}, build: func(m *Module) {
			m.Section(13, Uleb(0))
			m.Start("")
		}},
		{name: "has many globals", want: "fails more than its host_memory_limit", opts: []eng.GuestOption{eng.GuestHostMemoryLimit(1 << 20)}, build: func(m *Module) {
			const n = 20_000
			m.Section(6, Uleb(n)+strings.Repeat(I32+"\x00"+Const(1)+End, n))
			m.Start("")
		}},
		{name: "wants a larger table", want: "refused tables have more than 1048576 entries", build: func(m *Module) {
			m.Table(10_000_000)
			m.Start("")
		}},
		{name: "gets random bytes", want: "stopped", build: func(m *Module) {
			random := m.Import(wasi, "random_get", I32+I32, I32)
			m.Memory(1000, 1000)
			m.Start(Forever(Const(0) + Const(60<<20) + Call(random) + Drop))
		}},
		{name: "renumbers a descriptor", want: "exit 8", build: func(m *Module) {
			withFile(m, func(exit uint32) string {
				return Const(fdAt) + Load + Const(0x7fffffff) + Call(m.Import(wasi, "fd_renumber", I32+I32, I32)) + Call(exit)
			})
		}},
		{name: "writes too many buffers", want: "exit 28", build: func(m *Module) {
			exit, write := m.Import(wasi, "proc_exit", I32, ""), m.Import(wasi, "fd_write", I32+I32+I32+I32, I32)
			m.Memory(1000, 1000)
			m.Start(iovecs(4<<20, 32<<20, 30<<20) + Const(1) + Const(iovecsAt) + Const(4<<20) + Const(resultAt) + Call(write) + Call(exit))
		}},
		{name: "writes large buffers", want: "stopped", build: func(m *Module) {
			write := m.Import(wasi, "fd_write", I32+I32+I32+I32, I32)
			m.Memory(1000, 1000)
			m.Start(iovecs(1024, 1<<20, 60<<20) + Forever(Const(1)+Const(iovecsAt)+Const(1024)+Const(resultAt)+Call(write)+Drop))
		}},
		{name: "writes bytes", want: "stopped", build: func(m *Module) {
			write := m.Import(wasi, "fd_write", I32+I32+I32+I32, I32)
			m.Memory(1, 1)
			m.Data(0, "\x00\x01\x00\x00\x01\x00\x00\x00")
			m.Start(Forever(Const(2) + Const(0) + Const(1) + Const(resultAt) + Call(write) + Drop))
		}},
		{name: "writes a large file", want: "exit 51", build: func(m *Module) {
			withFile(m, func(exit uint32) string {
				write := m.Import(wasi, "fd_pwrite", I32+I32+I32+I64+I32, I32)
				return iovecs(1024, 1<<19, 1<<19) + Const(fdAt) + Load + Const(iovecsAt) + Const(1024) + Const64(0) + Const(resultAt) + Call(write) + Call(exit)
			})
		}},
		{name: "reads a file", want: "stopped", build: func(m *Module) {
			withFile(m, func(uint32) string {
				size := m.Import(wasi, "fd_filestat_set_size", I32+I64, I32)
				read := m.Import(wasi, "fd_pread", I32+I32+I32+I64+I32, I32)
				return iovecs(1024, 1<<19, 1<<19) + Const(fdAt) + Load + Const64(7<<20) + Call(size) + Drop +
					Forever(Const(fdAt)+Load+Const(iovecsAt)+Const(1024)+Const64(0)+Const(resultAt)+Call(read)+Drop)
			})
		}},
		{name: "opens files", want: "exit 33", build: func(m *Module) {
			exit, open := m.Import(wasi, "proc_exit", I32, ""), m.Import(wasi, "path_open", openParams, I32)
			m.Memory(1, 1)
			m.Data(nameAt, "new")
			m.Start(untilItFails(openNew(open), exit))
		}},
		{name: "makes directories", want: "exit 51", long: true, build: func(m *Module) {
			exit, mkdir := m.Import(wasi, "proc_exit", I32, ""), m.Import(wasi, "path_create_directory", I32+I32+I32, I32)
			m.Memory(1, 1)
			// The name counts up, six bits in a letter.
			letters := Get(0) + Const(63) + "\x71" + Get(0) + Const(63<<6) + "\x71" + Const(2) + "\x74\x72" + Const(0x40404040) + Add // and, and, shl, or
			count := Const(nameAt) + letters + Store + Get(0) + Const(1) + Add + Set(0)
			m.Start(untilItFails(count+Const(3)+Const(nameAt)+Const(4)+Call(mkdir), exit))
		}},
		{name: "reads a directory", want: "stopped", build: func(m *Module) {
			readdir := m.Import(wasi, "fd_readdir", I32+I32+I32+I64+I32, I32)
			m.Memory(100, 100)
			m.Start(Forever(Const(3) + Const(1024) + Const(1<<20) + Const64(0) + Const(resultAt) + Call(readdir) + Drop))
		}},
		{name: "names what is not there", want: "stopped", build: func(m *Module) {
			stat := m.Import(wasi, "path_filestat_get", I32+I32+I32+I32+I32, I32)
			m.Memory(1, 1)
			m.Data(1024, strings.Repeat("x/", 2048))
			m.Start(Forever(Const(3) + Const(0) + Const(1024) + Const(4096) + Const(resultAt) + Call(stat) + Drop))
		}},
		{name: "keeps large responses pending", want: "stopped", build: func(m *Module) {
			pending(m, func(call uint32) string { return Const(0) + Const(0) + Const(0) + Const(0) + Call(call) })
		}},
		{name: "keeps large requests pending", want: "stopped", build: func(m *Module) {
			pending(m, func(call uint32) string { return Const(0) + Const(8<<20) + Const(0) + Const(0) + Call(call) })
		}},
		{name: "leaves large responses parked", want: "stopped", build: func(m *Module) {
			call := m.Import(pluginModule, "Call", I32+I32+I32+I32, I64)
			m.Memory(1, 1)
			m.Start(Forever(Const(0) + Const(0) + Const(0) + Const(0) + Call(call) + Drop))
		}},
		{name: "sends headers", want: "stopped", build: func(m *Module) {
			header := m.Import("parigot", "header", I32+I32, "")
			m.Memory(2, 2)
			m.Data(0, strings.Repeat("\x12\x00", 32<<10))
			m.Start(Forever(Const(0) + Const(64<<10) + Call(header)))
		}},
		{name: "waits for nothing", want: "stopped", build: func(m *Module) {
			take, await := m.Import("parigot", "take", I32+I32, I64), m.Import("parigot", "await", I64+I32+I32, I64)
			cancel := m.Import("parigot", "cancel", I32, I64)
			m.Memory(1, 1)
			m.Start(Forever(Const(0) + Const(60000) + Call(take) + Drop + Const64(0) + Const(0) + Const(60000) + Call(await) + Drop + Const(1) + Call(cancel) + Drop))
		}},
	}
}

// pending makes 1000 calls, none of whose results it takes, and goes on.
func pending(m *Module, one func(call uint32) string) {
	call := m.Import(pluginModule, "Call", I32+I32+I32+I32, I64)
	m.Import("parigot", "await", I64+I32+I32, I64) // otherwise its calls block
	m.Memory(200, 200)
	m.Start(Times(1000, 0, one(call)+Drop) + Forever(""))
}

// openNew is code that opens the file "new", made if need be, and leaves the errno.
func openNew(open uint32) string {
	return Const(3) + Const(0) + Const(nameAt) + Const(3) + Const(1) + Const64(1<<6|1<<1) + Const64(0) + Const(0) + Const(fdAt) + Call(open)
}

// withFile gives a module a file, whose descriptor is at fdAt, and then the code of body.
func withFile(m *Module, body func(exit uint32) string) {
	exit, open := m.Import(wasi, "proc_exit", I32, ""), m.Import(wasi, "path_open", openParams, I32)
	code := body(exit)
	m.Memory(32, 32)
	m.Data(nameAt, "new")
	m.Start(openNew(open) + Drop + code)
}

// iovecs is code that writes n buffers for a read or a write to iovecsAt. It uses local 0.
func iovecs(n, ptr, size uint32) string {
	at := Get(0) + Const(8) + "\x6c" + Const(iovecsAt) + Add // i32.mul
	return Times(n, 0, at+Const(ptr)+Store+at+Const(4)+Add+Const(size)+Store)
}

// untilItFails is code that repeats a call until its errno is not 0, and exits with that.
func untilItFails(call string, exit uint32) string {
	return Loop + call + "\x22" + Uleb(1) + Eqz + BranchIf(0) + End + Get(1) + Call(exit)
}
