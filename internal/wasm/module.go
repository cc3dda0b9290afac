package wasm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"
)

// The sections.
const (
	SectionCustom    = 0
	SectionType      = 1
	SectionImport    = 2
	SectionFunction  = 3
	SectionTable     = 4
	SectionMemory    = 5
	SectionGlobal    = 6
	SectionExport    = 7
	SectionStart     = 8
	SectionElement   = 9
	SectionCode      = 10
	SectionData      = 11
	SectionDataCount = 12
)

// SectionNames are the sections' names, by their number.
var SectionNames = []string{
	"custom", "type", "import", "function", "table", "memory", "global", "export", "start", "element", "code", "data",
	"data count", "tag",
}

// The kinds of imports and exports.
const (
	KindFunction = 0
	KindTable    = 1
	KindMemory   = 2
	KindGlobal   = 3
)

// KindNames are the kinds' names, by their number.
var KindNames = []string{"function", "table", "memory", "global"}

// Preamble is the number of bytes before the first section.
const Preamble = len(Magic)

// Magic is what a module starts with: the magic number, and the version.
const Magic = "\x00asm\x01\x00\x00\x00"

// IsModule tells whether b starts as a module does.
func IsModule(b []byte) bool { return bytes.HasPrefix(b, []byte(Magic)) }

// Section is one section of a module.
type Section struct {
	ID byte
	// Name is the name of a custom section, and "" for others.
	Name string
	// Body is what is in it. It shares the memory of the module.
	Body []byte
	// Content is the body without the name that a custom section starts with.
	Content []byte
	// Size is the number of bytes that all of it takes.
	Size int
}

// Sections returns the sections of a module in their order. An error ends them.
func Sections(module []byte) iter.Seq2[Section, error] {
	return func(yield func(Section, error) bool) {
		if !IsModule(module) {
			yield(Section{}, errors.New("it is no WebAssembly module"))
			return
		}
		r := NewReader(module[Preamble:])
		for len(r.rest) > 0 {
			before := len(r.rest)
			s := Section{ID: r.Byte()}
			s.Body = r.Take(r.U32())
			s.Content = s.Body
			s.Size = before - len(r.rest)
			if r.err == nil && s.ID == SectionCustom {
				body := NewReader(s.Body)
				s.Name = body.Name()
				s.Content, r.err = body.rest, body.err
			}
			if r.err != nil {
				yield(Section{}, fmt.Errorf("the module is malformed: %w", r.err))
				return
			}
			if !yield(s, nil) {
				return
			}
		}
	}
}

// AppendCustom returns the module with one more custom section at its end. It does not
// change module, and shares no memory with it.
func AppendCustom(module []byte, name string, content []byte) []byte {
	body := binary.AppendUvarint(nil, uint64(len(name)))
	body = append(body, name...)
	size := binary.AppendUvarint(nil, uint64(len(body)+len(content)))
	return slices.Concat(module, []byte{SectionCustom}, size, body, content)
}

// Import is something that a module imports.
type Import struct {
	Module, Name string
	Kind         byte
}

// Export is something that a module exports.
type Export struct {
	Name string
	Kind byte
}

// Module is what the tools want to know of a module.
type Module struct {
	Sections []Section
	Imports  []Import
	Exports  []Export
	// Memory is nil when the module has none of its own.
	Memory *Limits
}

// Parse reads a module.
func Parse(module []byte) (*Module, error) {
	m := &Module{}
	for s, err := range Sections(module) {
		if err != nil {
			return nil, err
		}
		m.Sections = append(m.Sections, s)
		r := NewReader(s.Content)
		switch s.ID {
		case SectionImport:
			m.Imports = append(m.Imports, r.Imports()...)
		case SectionExport:
			m.Exports = append(m.Exports, r.Exports()...)
		case SectionMemory:
			if r.U32() > 0 {
				l := r.Limits()
				m.Memory = &l
			}
		}
		if r.err != nil {
			return nil, fmt.Errorf("the section %s is malformed: %w", SectionNames[s.ID], r.err)
		}
	}
	return m, nil
}

// Imports reads the import section. After an error there are none.
func (r *Reader) Imports() []Import {
	var imports []Import
	for n := r.U32(); n > 0 && r.err == nil; n-- {
		i := Import{Module: r.Name(), Name: r.Name(), Kind: r.Byte()}
		switch i.Kind {
		case KindFunction:
			r.U32()
		case KindTable:
			r.Byte()
			r.Limits()
		case KindMemory:
			r.Limits()
		case KindGlobal:
			r.Take(2)
		default:
			r.Fail("an import of kind %d", i.Kind)
		}
		if r.err != nil {
			return nil
		}
		imports = append(imports, i)
	}
	return imports
}

// Exports reads the export section. After an error there are none.
func (r *Reader) Exports() []Export {
	var exports []Export
	for n := r.U32(); n > 0 && r.err == nil; n-- {
		e := Export{Name: r.Name(), Kind: r.Byte()}
		r.U32()
		exports = append(exports, e)
	}
	if r.err != nil {
		return nil
	}
	return exports
}

// Function is one function of the code section.
type Function struct {
	// Name is what the name section calls it: "" when there is none.
	Name string
	// Size is the number of bytes of its code.
	Size int
}

// Functions returns the functions that the module has itself, in their order.
func (m *Module) Functions() ([]Function, error) {
	var functions []Function
	names := map[uint32]string{}
	for _, s := range m.Sections {
		r := NewReader(s.Content)
		switch {
		case s.ID == SectionCode:
			for n := r.U32(); n > 0 && r.err == nil; n-- {
				before := len(r.rest)
				r.Take(r.U32())
				functions = append(functions, Function{Size: before - len(r.rest)})
			}
		case s.ID == SectionCustom && s.Name == NameSection:
			for f, name := range FunctionNames(s.Content) {
				names[f] = string(name)
			}
		}
		if r.err != nil {
			return nil, r.err
		}
	}
	imported := uint32(0)
	for _, i := range m.Imports {
		if i.Kind == KindFunction {
			imported++
		}
	}
	for i := range functions {
		functions[i].Name = names[imported+uint32(i)]
	}
	return functions, nil
}
