// Package wasmtest builds modules byte by byte, for tests: hostile ones, which no compiler
// makes. Code is a string of instructions: the constants and functions of this package, joined.
//
//	var m wasmtest.Module
//	exit := m.Import("wasi_snapshot_preview1", "proc_exit", wasmtest.I32, "")
//	m.Memory(1, 1)
//	m.Start(wasmtest.Const(3) + wasmtest.Call(exit))
//	wasm := m.Bytes()
package wasmtest

import (
	"encoding/binary"
	"slices"
	"strings"
)

// The types of values. Join them for the parameters and the results of a function.
const (
	I32       = "\x7f"
	I64       = "\x7e"
	F32       = "\x7d"
	F64       = "\x7c"
	FuncRef   = "\x70"
	ExternRef = "\x6f"
)

// Instructions without an operand, and with one that is always the same.
const (
	Unreachable = "\x00"
	Block       = "\x02\x40" // without a result
	Loop        = "\x03\x40" // without a result
	If          = "\x04\x40" // without a result
	End         = "\x0b"
	Drop        = "\x1a"
	Eqz         = "\x45"
	Ne          = "\x47"
	LtU         = "\x49"
	Add         = "\x6a"
	Sub         = "\x6b"
	MemoryGrow  = "\x40\x00"
	MemoryFill  = "\xfc\x0b\x00"
	MemoryCopy  = "\xfc\x0a\x00\x00"
)

// Const pushes an i32.
func Const(n uint32) string { return "\x41" + sleb(int64(int32(n))) }

// Const64 pushes an i64.
func Const64(n uint64) string { return "\x42" + sleb(int64(n)) }

// Get pushes a local.
func Get(local uint32) string { return "\x20" + Uleb(uint64(local)) }

// Set pops into a local.
func Set(local uint32) string { return "\x21" + Uleb(uint64(local)) }

// Call calls a function.
func Call(function uint32) string { return "\x10" + Uleb(uint64(function)) }

// Branch leaves to the label, counted from the innermost.
func Branch(label uint32) string { return "\x0c" + Uleb(uint64(label)) }

// BranchIf is Branch if the i32 it pops is not zero.
func BranchIf(label uint32) string { return "\x0d" + Uleb(uint64(label)) }

// Load pushes the i32 at the address that it pops.
const Load = "\x28\x02\x00"

// Store pops an i32, and then the address that it stores it at.
const Store = "\x36\x02\x00"

// Forever runs body again and again.
func Forever(body string) string { return Loop + body + Branch(0) + End }

// Times runs body n times. It counts in the given local, an i32 that is 0 before.
func Times(n, local uint32, body string) string {
	return Loop + body +
		Get(local) + Const(1) + Add + "\x22" + Uleb(uint64(local)) + // local.tee
		Const(n) + LtU + BranchIf(0) + End
}

// Module is a module under construction. The zero value is an empty one.
type Module struct {
	types, imports, functions, exports, codes, datas []string
	tables, memories                                 []string
	sections                                         []section
}

type section struct {
	id      byte
	content string
}

// Type returns the number of a function's type.
func (m *Module) Type(params, results string) uint32 {
	t := "\x60" + vector(strings.Split(params, "")) + vector(strings.Split(results, ""))
	if i := slices.Index(m.types, t); i >= 0 {
		return uint32(i)
	}
	m.types = append(m.types, t)
	return uint32(len(m.types) - 1)
}

// Import imports a function and returns its number. Import before you define.
func (m *Module) Import(module, name, params, results string) uint32 {
	m.imports = append(m.imports, Name(module)+Name(name)+"\x00"+Uleb(uint64(m.Type(params, results))))
	return uint32(len(m.imports) - 1)
}

// Func defines a function with locals, a string of types, and returns its number.
func (m *Module) Func(params, results, locals, code string) uint32 {
	m.functions = append(m.functions, Uleb(uint64(m.Type(params, results))))
	groups := make([]string, 0, len(locals))
	for _, t := range []byte(locals) {
		groups = append(groups, "\x01"+string([]byte{t}))
	}
	body := vector(groups) + code + End
	m.codes = append(m.codes, Uleb(uint64(len(body)))+body)
	return uint32(len(m.imports) + len(m.functions) - 1)
}

// Start defines and exports _start, with four locals: 0 and 1 are i32, 2 and 3 are i64.
func (m *Module) Start(code string) {
	m.Export("_start", m.Func("", "", I32+I32+I64+I64, code))
}

// Export exports a function.
func (m *Module) Export(name string, function uint32) {
	m.exports = append(m.exports, Name(name)+"\x00"+Uleb(uint64(function)))
}

// Memory gives the module a memory, in pages of 64 KiB, and exports it as "memory".
func (m *Module) Memory(least, most uint32) {
	m.memories = append(m.memories, "\x01"+Uleb(uint64(least))+Uleb(uint64(most)))
	m.exports = append(m.exports, Name("memory")+"\x02\x00")
}

// Table gives the module a table of functions without a maximum.
func (m *Module) Table(least uint32) {
	m.tables = append(m.tables, FuncRef+"\x00"+Uleb(uint64(least)))
}

// Data places bytes into the memory.
func (m *Module) Data(at uint32, bytes string) {
	m.datas = append(m.datas, "\x00"+Const(at)+End+Name(bytes))
}

// Section adds a section as it is, in the place of the one that the module would have; a
// custom section, 0, stands at the end. content of a custom section begins with its [Name].
func (m *Module) Section(id byte, content string) {
	m.sections = append(m.sections, section{id, content})
}

// Bytes returns the module.
func (m *Module) Bytes() []byte {
	own := map[byte][]string{
		1: m.types, 2: m.imports, 3: m.functions, 4: m.tables, 5: m.memories, 7: m.exports, 10: m.codes, 11: m.datas,
	}
	var out strings.Builder
	out.WriteString("\x00asm\x01\x00\x00\x00")
	for _, id := range []byte{1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11, 0} { // tags come before globals, the data count before code
		given := false
		for _, s := range m.sections {
			if s.id == id {
				out.WriteString(string([]byte{id}) + Name(s.content))
				given = true
			}
		}
		if items := own[id]; !given && len(items) > 0 {
			out.WriteString(string([]byte{id}) + Name(vector(items)))
		}
	}
	return []byte(out.String())
}

// Name is a string with its length before it.
func Name(s string) string { return Uleb(uint64(len(s))) + s }

// vector is a list with its length before it.
func vector(items []string) string { return Uleb(uint64(len(items))) + strings.Join(items, "") }

// Uleb is an unsigned number.
func Uleb(n uint64) string { return string(binary.AppendUvarint(nil, n)) }

// sleb is a signed number.
func sleb(n int64) string {
	var out []byte
	for {
		b := byte(n & 0x7f)
		n >>= 7
		if n == 0 && b&0x40 == 0 || n == -1 && b&0x40 != 0 {
			return string(append(out, b))
		}
		out = append(out, b|0x80)
	}
}
