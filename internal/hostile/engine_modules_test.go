package hostile

import (
	"strings"

	"github.com/iansmith/parigot/pluginsdk/eng"

	. "github.com/iansmith/parigot/internal/wasm/wasmtest" // the language of this file
)

// engineModules try what costs the engine itself: to compile them, their stack, and
// instructions that take long.
func engineModules() []hostile {
	return []hostile{
		{name: "recurses and sleeps", want: "fails its stack is larger than its stack_limit", build: func(m *Module) {
			poll := m.Import(wasi, "poll_oneoff", I32+I32+I32+I32, I32)
			m.Memory(1, 1)
			m.Data(24, strings.Repeat("\xff", 7)) // of two billion seconds
			sleep := Const(0) + Const(1024) + Const(1) + Const(resultAt) + Call(poll) + Drop
			deep := poll + 1 // itself
			m.Func(I32, "", "", Get(0)+Eqz+If+sleep+End+Get(0)+If+Get(0)+Const(1)+Sub+Call(deep)+End)
			m.Start(Const(2_000_000) + Call(deep))
		}},
		{name: "fills its memory", want: "stopped", build: func(m *Module) {
			m.Memory(1000, 1000)
			m.Start(Forever(strings.Repeat(Const(0)+Const(7)+Const(62<<20)+MemoryFill, 100)))
		}},
		{name: "moves its memory", want: "stopped", build: func(m *Module) {
			m.Memory(1000, 1000)
			m.Start(Forever(strings.Repeat(Const(1)+Const(0)+Const(61<<20)+MemoryCopy+Const(0)+Const(1)+Const(61<<20)+MemoryCopy, 100)))
		}},
		{name: "fills 4 GiB", want: "fails out of bounds memory access", build: func(m *Module) {
			m.Memory(1000, 1000)
			m.Start(Const(0) + Const(7) + Const(1<<32-1) + MemoryFill)
		}},
		{name: "nests blocks", want: "refused compile_memory", build: func(m *Module) {
			m.Start(strings.Repeat(Block, 300_000) + strings.Repeat(End, 300_000))
		}},
		{name: "has values that live long", want: "refused compile_memory", build: func(m *Module) {
			m.Memory(1, 1)
			m.Start(strings.Repeat(Const(0)+Load, 4000) + strings.Repeat(Const(0)+If+End, 4000) + strings.Repeat(Drop, 4000))
		}},
		{name: "imports much", want: "refused MaxImports", build: func(m *Module) {
			for range 20_000 {
				m.Import("m", "f", "", "")
			}
			m.Start("")
		}},
		{name: "is much code", want: "refused compile_memory", build: func(m *Module) {
			m.Start(strings.Repeat(Const(1)+Drop, 1<<20))
		}},
		{name: "has a long name", want: "exit 0", opts: []eng.GuestOption{eng.Trusted()}, build: func(m *Module) {
			m.Import(wasi, "sched_yield", "", I32)
			for range 10_000 {
				m.Func("", "", "", "")
			}
			m.Section(0, Name("name")+"\x00"+Name(Name(strings.Repeat("x", 50_000))))
			m.Memory(1, 1)
			m.Start("")
		}},
		{name: "compiles for as long as it may", want: "exit 0", build: func(m *Module) {
			m.Start(strings.Repeat(Loop, 2500) + strings.Repeat(End, 2500))
		}},
		{name: "takes as much to compile as it may", want: "exit 0", build: func(m *Module) {
			m.Start(Const(1) + strings.Repeat(Const(1)+"\x6d", 9000) + Drop) // divisions
		}},
	}
}
