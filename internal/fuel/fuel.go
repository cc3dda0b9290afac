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
	"errors"
	"fmt"
	"slices"

	"github.com/iansmith/parigot/internal/wasm"
)

// Tank is how much fuel a module starts with and is to get each time: the function
// that [Meter] adds returns it.
const Tank = 16 << 20

// The type section's entry of the added function, () -> (i64), and the global section's
// of the added global, a mutable i64 with the value Tank. Behind the first come
// those of the helpers.
const (
	typeI64       = 0x7e
	functionType  = "\x60\x00\x01\x7e"
	globalType    = "\x7e\x01"
	expressionEnd = opEnd
)

// Import is a function that a module imports.
type Import struct{ Module, Name string }

// Config says what [Meter] adds to a module.
type Config struct {
	// Refuel is the import that is called when the fuel is used up, of the type () -> (i64).
	// It returns how much there is now, and ends the module with a panic.
	Refuel Import
	// Waits tells the functions that wait. Refuel is called each time before one of them
	// is, so that a module does not go from one wait to the next.
	Waits func(Import) bool
	// Start is the name that the module's start function is exported under. It is not run
	// with the instance: whoever makes that has to call it first.
	Start string
	// Memory bounds the memory that compiling the module may take, in bytes.
	Memory int64
}

// Metered is what [Meter] made.
type Metered struct {
	Module []byte
	// Starts tells whether there is a start function.
	Starts bool
	// Memory is an upper bound of what compiling takes, in bytes.
	Memory int64
	// Largest is the part of Memory that each worker of a compiler takes: for one function.
	Largest int64
}

// ErrLimit is the error of a module that is over one of the limits.
var ErrLimit = errors.New("over a limit")

// ErrMemory is the error of a module that takes more memory to compile than it may.
var ErrMemory = errors.New("too large to compile")

// Meter returns a module with checks, and with the import Refuel behind its own ones.
//
// What a module does otherwise does not change, nor do the names of its functions in
// stack traces; other names are dropped, and so are sections of debuggers, since they would
// lie. Errors say
// what is wrong where, and which limit a module is over. Modules need not be valid beyond
// what Meter reads: whoever compiles the result checks the rest. It is at most some
// fifteen times as large, and for what compilers write a quarter larger. The same input
// gives the same output.
func Meter(module []byte, c Config) (Metered, error) {
	sections, err := split(module)
	if err != nil {
		return Metered{}, err
	}
	if err := checkOrder(sections); err != nil {
		return Metered{}, err
	}
	m := meter{Config: c, bytes: len(module)}
	for _, read := range []struct {
		id byte
		fn func(*wasm.Reader)
	}{
		{wasm.SectionType, m.readTypes},
		{wasm.SectionImport, m.readImports},
		{wasm.SectionFunction, m.readFunctions},
		{wasm.SectionTable, m.readTables},
		{wasm.SectionMemory, m.readMemory},
		{wasm.SectionGlobal, m.countGlobals},
		{wasm.SectionStart, m.readStart},
	} {
		if err := m.read(sections, read.id, read.fn); err != nil {
			return Metered{}, err
		}
	}
	added := m.added()
	out := make([]wasm.Section, 0, len(sections)+len(added))
	for _, s := range addSections(sections, added) {
		body, keep, err := m.rewrite(s)
		if err != nil {
			return Metered{}, fmt.Errorf("section %d: %w", s.ID, err)
		}
		if keep {
			out = append(out, wasm.Section{ID: s.ID, Body: body})
		}
	}
	if err := m.affordable(m.code); err != nil { // also what is no code, or comes behind it
		return Metered{}, err
	}
	return Metered{Module: join(out), Starts: m.start != nil, Memory: m.needs(m.code), Largest: m.largest}, nil
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
	Config
	types     []arity
	functions []uint32 // the types of all functions, imported ones first
	imports   uint32   // how many of them are imported
	globals   uint32   // without the one that holds the fuel
	waiting   []bool   // which imported functions wait
	hasMemory bool
	named     bool    // there was a section of names
	start     *uint32 // the function that runs when an instance is made
	values    int64   // parameters and results of all types
	entries   int64   // of all sections
	elements  int64   // of all element segments
	bytes     int     // of the module
	code      int     // the size of the metered code
	total     int64   // the work of compiling all functions
	largest   int64   // the memory that compiling the largest function takes

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

// added returns the sections that get new entries.
func (m *meter) added() []byte {
	if m.start == nil {
		return []byte{wasm.SectionType, wasm.SectionImport, wasm.SectionFunction, wasm.SectionGlobal, wasm.SectionCode}
	}
	return []byte{wasm.SectionType, wasm.SectionImport, wasm.SectionFunction, wasm.SectionGlobal, wasm.SectionExport, wasm.SectionCode}
}

// addSections returns sections with all of added, in order. A new one is an empty list.
func addSections(sections []wasm.Section, added []byte) []wasm.Section {
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

// count reads how many entries a section has.
func (m *meter) count(r *wasm.Reader, name string, limit uint32) uint32 {
	n := r.U32()
	m.entries += int64(n)
	if n > limit {
		r.Fail("%w: %d entries are more than %s, which is %d", ErrLimit, n, name, limit)
		return 0
	}
	return n
}

func (m *meter) readTypes(r *wasm.Reader) {
	for n := m.count(r, "MaxTypes", MaxTypes); n > 0 && r.Err() == nil; n-- {
		if b := r.Byte(); b != functionType[0] {
			r.Fail("a type of kind %#x", b)
		}
		t := arity{params: readValueTypes(r), results: readValueTypes(r)}
		if t.cost() > MaxValues {
			r.Fail("%w: a type has %d parameters and results, more than MaxValues, which is %d", ErrLimit, t.cost(), MaxValues)
		}
		if m.values += t.cost(); m.values > MaxTypeValues {
			r.Fail("%w: the types together have more parameters and results than MaxTypeValues, which is %d", ErrLimit, MaxTypeValues)
		}
		m.types = append(m.types, t)
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
	for n := m.count(r, "MaxImports", MaxImports); n > 0 && r.Err() == nil; n-- {
		i := Import{Module: string(r.Take(r.U32())), Name: string(r.Take(r.U32()))}
		switch kind := r.Byte(); kind {
		case wasm.KindFunction:
			m.addFunction(r)
			m.imports++
			m.waiting = append(m.waiting, m.Waits(i))
		case wasm.KindTable:
			r.Byte()
			r.Limits()
		case wasm.KindMemory:
			r.Limits()
			m.hasMemory = true
		case wasm.KindGlobal:
			r.Take(2)
			m.globals++
		default:
			r.Fail("an import of kind %d", kind)
		}
	}
}

func (m *meter) readFunctions(r *wasm.Reader) {
	for n := m.count(r, "MaxFunctions", MaxFunctions); n > 0 && r.Err() == nil; n-- {
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
	for n := m.count(r, "MaxTables", MaxTables); n > 0 && r.Err() == nil; n-- {
		if b := r.Byte(); !isValueType(b) {
			r.Fail("a table of type %#x", b)
		}
		r.Limits()
	}
}

func (m *meter) readMemory(r *wasm.Reader) {
	m.hasMemory = m.hasMemory || r.U32() > 0
	r.Take(uint32(len(r.Rest())))
}

// readStart reads the start function, which becomes an export.
func (m *meter) readStart(r *wasm.Reader) {
	f := m.readFunction(r)
	if r.Err() == nil && m.types[m.functions[f]] != (arity{}) {
		r.Fail("the start function %d has parameters or results", f)
	}
	m.start = &f
}

// rewrite returns a section as it has to be. keep is false for one that is dropped.
func (m *meter) rewrite(s wasm.Section) (body []byte, keep bool, err error) {
	r := new(wasm.NewReader(s.Body))
	out := make([]byte, 0, len(s.Body)+64)
	switch s.ID {
	case wasm.SectionType:
		out = extend(out, r, 3, functionType+longType+startType)
	case wasm.SectionImport:
		entry := appendName(appendName(nil, m.Refuel.Module), m.Refuel.Name)
		entry = append(entry, wasm.KindFunction)
		out = extend(out, r, 1, string(binary.AppendUvarint(entry, uint64(len(m.types)))))
	case wasm.SectionFunction:
		var entries []byte
		for _, t := range m.functions[:m.imports] {
			entries = binary.AppendUvarint(entries, uint64(t))
		}
		out = extend(out, r, m.imports+helpers, string(m.appendHelperTypes(entries)))
	case wasm.SectionGlobal:
		out = m.rewriteGlobals(out, r)
	case wasm.SectionExport:
		out = m.rewriteExports(out, r)
	case wasm.SectionStart:
		return nil, false, nil
	case wasm.SectionData:
		m.count(r, "MaxSegments", MaxSegments)
		return s.Body, true, r.Err()
	case wasm.SectionDataCount:
		out = binary.AppendUvarint(out, uint64(r.U32()))
	case wasm.SectionElement:
		out = m.rewriteElements(out, r)
	case wasm.SectionCode:
		out = m.rewriteCode(out, r)
	case wasm.SectionCustom:
		body, keep = m.rewriteCustom(s)
		return body, keep, nil
	default:
		return s.Body, true, nil
	}
	if r.More() {
		r.Fail("it goes on behind its end")
	}
	return out, true, r.Err()
}
