// Package fuel makes WebAssembly modules that can be stopped: code that runs burns
// fuel, and when there is none left it calls its host, which ends it or gives it more.
//
// Fuel is a global that [Meter] adds to a module. It is checked at the head of each
// loop, at the start of each function that calls others, before instructions whose
// work depends on an operand, and before calls of the host. Whatever runs long does one
// of these again and again. What is taken off is an upper bound of the work until the
// next check, in bytes: of code that may run, and of memory that is written at once.
//
// The module cannot refuel itself: the names of the global and of the imported function
// are its highest indices, which its own code may not use, and nothing exports them.
package fuel

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/iansmith/parigot/internal/wasm"
)

// Tank is how much fuel a module starts with and is to get each time: the function
// that [Meter] adds returns it.
const Tank = 16 << 20

// The type section's entry of the added function, () -> (i64), and the global section's
// of the added global, a mutable i64 with the value Tank.
const (
	typeI64       = 0x7e
	functionType  = "\x60\x00\x01\x7e"
	globalType    = "\x7e\x01"
	expressionEnd = opEnd
)

// Import is a function that a module imports.
type Import struct{ Module, Name string }

// Meter returns wasm with checks, and with an import of refuel, of the type () -> (i64),
// behind its own ones. It is called when the fuel is used up, and returns how much
// there is now; it ends the module with a panic. It is also called each time before a
// function is that waits, so that a module does not go from one wait to the next.
//
// What a module does otherwise does not change, nor do the names of its functions in
// stack traces; sections of debuggers are dropped, since they would lie. Errors say
// what is wrong where. Modules need not be valid beyond what Meter reads: whoever
// compiles the result checks the rest. It is at most some twelve times as large, and
// for what compilers write a quarter larger. The same input gives the same output.
func Meter(module []byte, refuel Import, waits func(Import) bool) ([]byte, error) {
	sections, err := split(module)
	if err != nil {
		return nil, err
	}
	if err := checkOrder(sections); err != nil {
		return nil, err
	}
	m := meter{waits: waits}
	for _, read := range []struct {
		id byte
		fn func(*wasm.Reader)
	}{
		{wasm.SectionType, m.readTypes},
		{wasm.SectionImport, m.readImports},
		{wasm.SectionFunction, m.readFunctions},
		{wasm.SectionTable, m.readTables},
		{wasm.SectionGlobal, m.countGlobals},
	} {
		if err := m.read(sections, read.id, read.fn); err != nil {
			return nil, err
		}
	}
	out := make([]wasm.Section, 0, len(sections)+len(added))
	for _, s := range addSections(sections) {
		body, keep, err := m.rewrite(s, refuel)
		if err != nil {
			return nil, fmt.Errorf("section %d: %w", s.ID, err)
		}
		if keep {
			out = append(out, wasm.Section{ID: s.ID, Body: body})
		}
	}
	return join(out), nil
}

func split(module []byte) (sections []wasm.Section, err error) {
	for s, err := range wasm.Sections(module) {
		if err != nil {
			return nil, err
		}
		sections = append(sections, s)
	}
	return sections, nil
}

func join(sections []wasm.Section) []byte {
	size := wasm.Preamble
	for _, s := range sections {
		size += 1 + binary.MaxVarintLen32 + len(s.Body)
	}
	out := append(make([]byte, 0, size), wasm.Magic...)
	for _, s := range sections {
		out = append(out, s.ID)
		out = binary.AppendUvarint(out, uint64(len(s.Body)))
		out = append(out, s.Body...)
	}
	return out
}

// meter is what has to be known of a module to rewrite it.
type meter struct {
	types     []arity
	functions []uint32 // the types of all functions, imported ones first
	imports   uint32   // how many of them are imported
	globals   uint32   // without the one that holds the fuel
	waiting   []bool   // which imported functions wait
	waits     func(Import) bool

	body  []byte // of a function, reused
	edits []edit
	open  []block
}

// arity is what the cost of passing values depends on.
type arity struct{ params, results uint32 }

func (a arity) cost() int64 { return int64(a.params) + int64(a.results) }

// order is the order of sections, by their number.
var order = [...]int{
	wasm.SectionType: 1, wasm.SectionImport: 2, wasm.SectionFunction: 3, wasm.SectionTable: 4,
	wasm.SectionMemory: 5, wasm.SectionGlobal: 6, wasm.SectionExport: 7, wasm.SectionStart: 8,
	wasm.SectionElement: 9, wasm.SectionDataCount: 10, wasm.SectionCode: 11, wasm.SectionData: 12,
}

func checkOrder(sections []wasm.Section) error {
	last := 0
	for _, s := range sections {
		switch {
		case s.ID == wasm.SectionCustom:
		case int(s.ID) >= len(order):
			return fmt.Errorf("a section of kind %d", s.ID)
		case order[s.ID] <= last:
			return fmt.Errorf("section %d is not where it belongs", s.ID)
		default:
			last = order[s.ID]
		}
	}
	return nil
}

// added are the sections that get new entries.
var added = []byte{wasm.SectionType, wasm.SectionImport, wasm.SectionFunction, wasm.SectionGlobal, wasm.SectionCode}

// addSections returns sections with all of added, in order. A new one is an empty list.
func addSections(sections []wasm.Section) []wasm.Section {
	sections = slices.Clone(sections)
	for _, id := range added {
		at := 0
		for i, s := range sections {
			if s.ID != wasm.SectionCustom && order[s.ID] <= order[id] {
				at = i + 1
			}
		}
		if at == 0 || sections[at-1].ID != id {
			sections = slices.Insert(sections, at, wasm.Section{ID: id, Body: []byte{0}})
		}
	}
	return sections
}

// read has fn read all of a section, if there is one.
func (m *meter) read(sections []wasm.Section, id byte, fn func(*wasm.Reader)) error {
	i := slices.IndexFunc(sections, func(s wasm.Section) bool { return s.ID == id })
	if i < 0 {
		return nil
	}
	r := wasm.NewReader(sections[i].Body)
	fn(&r)
	if r.More() {
		r.Fail("it goes on behind its end")
	}
	if r.Err() != nil {
		return fmt.Errorf("section %d: %w", id, r.Err())
	}
	return nil
}

func (m *meter) readTypes(r *wasm.Reader) {
	for n := r.U32(); n > 0 && r.Err() == nil; n-- {
		if b := r.Byte(); b != functionType[0] {
			r.Fail("a type of kind %#x", b)
		}
		m.types = append(m.types, arity{params: readValueTypes(r), results: readValueTypes(r)})
	}
}

func readValueTypes(r *wasm.Reader) uint32 {
	n := r.U32()
	for _, b := range r.Take(n) {
		if !isValueType(b) {
			r.Fail("a value of type %#x", b)
		}
	}
	return n
}

// isValueType reports whether a byte is a type of the second version of WebAssembly.
func isValueType(b byte) bool {
	const number, externref, funcref = 0x7b, 0x6f, 0x70
	return b >= number && b <= 0x7f || b == externref || b == funcref
}

func (m *meter) readImports(r *wasm.Reader) {
	for n := r.U32(); n > 0 && r.Err() == nil; n-- {
		i := Import{Module: string(r.Take(r.U32())), Name: string(r.Take(r.U32()))}
		switch kind := r.Byte(); kind {
		case wasm.KindFunction:
			m.addFunction(r)
			m.imports++
			m.waiting = append(m.waiting, m.waits(i))
		case wasm.KindTable:
			r.Byte()
			r.Limits()
		case wasm.KindMemory:
			r.Limits()
		case wasm.KindGlobal:
			r.Take(2)
			m.globals++
		default:
			r.Fail("an import of kind %d", kind)
		}
	}
}

func (m *meter) readFunctions(r *wasm.Reader) {
	for n := r.U32(); n > 0 && r.Err() == nil; n-- {
		m.addFunction(r)
	}
}

func (m *meter) addFunction(r *wasm.Reader) {
	t := r.U32()
	m.arity(r, t)
	m.functions = append(m.functions, t)
}

// arity returns what is known of a type.
func (m *meter) arity(r *wasm.Reader, t uint32) arity {
	if uint64(t) >= uint64(len(m.types)) {
		r.Fail("there is no type %d", t)
		return arity{}
	}
	return m.types[t]
}

// readTables refuses tables with an initial value, which may name a function.
func (m *meter) readTables(r *wasm.Reader) {
	for n := r.U32(); n > 0 && r.Err() == nil; n-- {
		if b := r.Byte(); !isValueType(b) {
			r.Fail("a table of type %#x", b)
		}
		r.Limits()
	}
}

func (m *meter) countGlobals(r *wasm.Reader) {
	n := r.U32()
	m.globals += n
	for ; n > 0 && r.Err() == nil; n-- {
		r.Take(2)
		m.expression(r, nil)
	}
}

// rewrite returns a section as it has to be. keep is false for one that is dropped.
func (m *meter) rewrite(s wasm.Section, refuel Import) (body []byte, keep bool, err error) {
	r := new(wasm.NewReader(s.Body))
	out := make([]byte, 0, len(s.Body)+64)
	switch s.ID {
	case wasm.SectionType:
		out = extend(out, r, 1, functionType)
	case wasm.SectionImport:
		entry := appendName(appendName(nil, refuel.Module), refuel.Name)
		entry = append(entry, wasm.KindFunction)
		out = extend(out, r, 1, string(binary.AppendUvarint(entry, uint64(len(m.types)))))
	case wasm.SectionFunction:
		var entries []byte
		for _, t := range m.functions[:m.imports] {
			entries = binary.AppendUvarint(entries, uint64(t))
		}
		out = extend(out, r, m.imports, string(entries))
	case wasm.SectionGlobal:
		out = m.rewriteGlobals(out, r)
	case wasm.SectionExport:
		out = m.rewriteExports(out, r)
	case wasm.SectionStart:
		out = m.reference(out, r)
	case wasm.SectionElement:
		out = m.rewriteElements(out, r)
	case wasm.SectionCode:
		out = m.rewriteCode(out, r)
	case wasm.SectionCustom:
		return m.rewriteCustom(s.Body)
	default:
		return s.Body, true, nil
	}
	if r.More() {
		r.Fail("it goes on behind its end")
	}
	return out, true, r.Err()
}

// extend adds n entries to a section that is a list, and nothing else.
func extend(out []byte, r *wasm.Reader, n uint32, entries string) []byte {
	out = binary.AppendUvarint(out, uint64(r.U32())+uint64(n))
	out = append(out, r.Take(uint32(len(r.Rest())))...)
	return append(out, entries...)
}

func appendName(out []byte, name string) []byte {
	return append(binary.AppendUvarint(out, uint64(len(name))), name...)
}

func (m *meter) rewriteGlobals(out []byte, r *wasm.Reader) []byte {
	n := r.U32()
	out = binary.AppendUvarint(out, uint64(n)+1)
	for ; n > 0 && r.Err() == nil; n-- {
		out = append(out, r.Take(2)...)
		out = m.expression(r, out)
	}
	out = append(out, globalType...)
	out = appendSigned(append(out, opI64Const), Tank)
	return append(out, expressionEnd)
}

func (m *meter) rewriteExports(out []byte, r *wasm.Reader) []byte {
	n := r.U32()
	out = binary.AppendUvarint(out, uint64(n))
	for ; n > 0 && r.Err() == nil; n-- {
		out = appendName(out, string(r.Take(r.U32())))
		kind := r.Byte()
		out = append(out, kind)
		switch kind {
		case wasm.KindFunction:
			out = m.reference(out, r)
		case wasm.KindGlobal:
			out = m.global(out, r)
		default:
			out = binary.AppendUvarint(out, uint64(r.U32()))
		}
	}
	return out
}

// reference copies the index of a function.
func (m *meter) reference(out []byte, r *wasm.Reader) []byte {
	return binary.AppendUvarint(out, uint64(m.callable(m.readFunction(r))))
}

func (m *meter) readFunction(r *wasm.Reader) uint32 {
	f := r.U32()
	if uint64(f) >= uint64(len(m.functions)) {
		r.Fail("there is no function %d", f)
		return 0
	}
	return f
}

// callable returns the new index of the function that stands for f: one import more is
// there. For an imported function it is one that checks first, and then calls it.
func (m *meter) callable(f uint32) uint32 {
	if f >= m.imports {
		return f + 1
	}
	return uint32(len(m.functions)) + 1 + f
}

// global copies the index of a global, which is never the one that holds the fuel.
func (m *meter) global(out []byte, r *wasm.Reader) []byte {
	g := r.U32()
	if g >= m.globals {
		r.Fail("there is no global %d", g)
	}
	return binary.AppendUvarint(out, uint64(g))
}

// rewriteElements goes through the element segments, of which there are eight forms.
func (m *meter) rewriteElements(out []byte, r *wasm.Reader) []byte {
	const passive, explicit, expressions = 1, 2, 4 // bits; explicit means declarative when passive
	n := r.U32()
	out = binary.AppendUvarint(out, uint64(n))
	for ; n > 0 && r.Err() == nil; n-- {
		form := r.U32()
		if form > passive|explicit|expressions {
			r.Fail("an element segment of form %d", form)
		}
		out = binary.AppendUvarint(out, uint64(form))
		if form&passive == 0 {
			if form&explicit != 0 {
				out = binary.AppendUvarint(out, uint64(r.U32())) // the table
			}
			out = m.expression(r, out)
		}
		if form&(passive|explicit) != 0 {
			kind := r.Byte()
			if form&expressions != 0 && !isValueType(kind) {
				r.Fail("elements of type %#x", kind)
			}
			out = append(out, kind)
		}
		count := r.U32()
		out = binary.AppendUvarint(out, uint64(count))
		for ; count > 0 && r.Err() == nil; count-- {
			if form&expressions != 0 {
				out = m.expression(r, out)
			} else {
				out = m.reference(out, r)
			}
		}
	}
	return out
}

// expression copies a constant expression.
func (m *meter) expression(r *wasm.Reader, out []byte) []byte {
	for r.Err() == nil {
		op := r.Byte()
		out = append(out, op)
		before := r.Rest()
		switch op {
		case opEnd:
			return out
		case opGlobalGet:
			out = m.global(out, r)
			continue
		case opRefFunc:
			out = m.reference(out, r)
			continue
		case opI32Const:
			r.Signed(5)
		case opI64Const:
			r.Signed(10)
		case opF32Const:
			r.Take(4)
		case opF64Const:
			r.Take(8)
		case opRefNull:
			readReferenceType(r)
		case opVector:
			if b := r.Byte(); b != vectorConst {
				r.Fail("a constant of vector instruction %#x", b)
			}
			r.Take(16)
		default:
			r.Fail("a constant of instruction %#x", op)
		}
		if r.Err() == nil {
			out = append(out, before[:len(before)-len(r.Rest())]...)
		}
	}
	return out
}

// appendSigned appends an integer in signed LEB128.
func appendSigned(out []byte, v int64) []byte {
	for v < -64 || v > 63 {
		out = append(out, byte(v)|0x80)
		v >>= 7
	}
	return append(out, byte(v)&0x7f)
}
