package eng

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/internal/fuel"
	"github.com/iansmith/parigot/internal/wasm"
)

// maxTableEntries bounds the tables of a guest, all together. An entry takes 8
// bytes of the host, which the limit of a guest's memory does not see. Go needs
// one entry for each function.
const maxTableEntries = 1 << 20

// What the parts of an instance take in the host, in bytes.
const (
	bytesPerEntry  = 8
	bytesPerTable  = 128
	bytesPerGlobal = 64
	leastGlobal    = 4 // of the module
)

// outline is what the engine has to know of a module and wazero does not tell.
type outline struct {
	// foreign are the imports that are no functions, such as a memory.
	foreign []foreignImport
	// hasMemory tells whether the module has a memory.
	hasMemory bool
	// leastPages is how many pages of memory it has to begin with.
	leastPages uint32
	// program and library tell whether the module exports _start, and _initialize.
	program, library bool
	// overlaps tells whether the module imports parigot.await.
	overlaps bool
	// serves tells whether the module exports parigot.run.
	serves bool
	// hostBytes is what the host holds for each instance beside its memory: its tables,
	// their elements and its globals, estimated from above.
	hostBytes uint64
	// namesData tells whether instructions may refer to data segments.
	namesData bool
}

type foreignImport struct{ module, name, kind string }

// confine returns the outline of a module, and the module with tables that cannot grow,
// with a memory that grows to maxPages at most, with its data in few segments, and without
// names but the short ones of its functions. A table without a maximum could grow by
// gigabytes of the host's memory; table.grow may always fail, and does so then.
func confine(module []byte, maxPages uint32) ([]byte, outline, error) {
	out := append(make([]byte, 0, len(module)+16), module[:min(len(module), wasm.Preamble)]...)
	o, err := survey(module, maxPages, func(o *outline, s wasm.Section, content []byte) {
		switch {
		case s.ID == wasm.SectionCustom && s.Name == wasm.NameSection:
			content = safeNames(s.Content)
		case s.ID == wasm.SectionData && !o.namesData:
			content = wasm.MergeData(content, uint64(o.leastPages)*pageSize)
		}
		out = append(out, s.ID)
		out = binary.AppendUvarint(out, uint64(len(content)))
		out = append(out, content...)
	})
	return out, o, err
}

// survey reads the outline of a module, and refuses a module that cannot be confined. It calls
// each with every section, and with the confined content of its tables and memories. each may
// be nil.
func survey(module []byte, maxPages uint32, each func(o *outline, s wasm.Section, content []byte)) (o outline, err error) {
	for s, err := range wasm.Sections(module) {
		if err != nil {
			return o, err
		}
		content, err := o.add(s, maxPages)
		if err != nil {
			return o, err
		}
		if each != nil {
			each(&o, s, content)
		}
	}
	if o.leastPages > maxPages {
		return o, fmt.Errorf("it needs %d bytes of memory to begin with, more than its limit of %d", uint64(o.leastPages)*pageSize, uint64(maxPages)*pageSize)
	}
	return o, nil
}

// add reads a section, and returns its content: that of tables and memories is confined.
func (o *outline) add(s wasm.Section, maxPages uint32) ([]byte, error) {
	r, content := wasm.NewReader(s.Body), s.Body
	checkName(&r, "a section", s.Name)
	checkCount(&r, s)
	switch s.ID {
	case wasm.SectionImport:
		o.addImports(&r)
	case wasm.SectionTable:
		content = tables(&r, o)
	case wasm.SectionMemory:
		content = memories(&r, o, maxPages)
	case wasm.SectionExport:
		o.addExports(&r)
	case wasm.SectionElement:
		o.hostBytes += bytesPerEntry * uint64(len(content)) // an element has a byte at least
	case wasm.SectionGlobal:
		o.hostBytes += bytesPerGlobal / leastGlobal * uint64(len(content))
	case wasm.SectionDataCount:
		o.namesData = true
	}
	err := r.Err()
	if err != nil && !errors.Is(err, fuel.ErrLimit) {
		err = fmt.Errorf("the module is malformed: %w", err)
	}
	return content, err
}

// checkCount refuses a list that has more entries than bytes: wazero makes room for them
// before it reads the first.
func checkCount(r *wasm.Reader, s wasm.Section) {
	if s.ID == wasm.SectionCustom || s.ID == wasm.SectionStart || s.ID >= wasm.SectionDataCount {
		return // no list
	}
	list := wasm.NewReader(s.Body)
	if n := list.U32(); uint64(n) > uint64(len(list.Rest())) {
		r.Fail("the section %s says that it has %d entries, in %d bytes", wasm.SectionNames[s.ID], n, len(s.Body))
	}
}

// checkName refuses a name that is longer than MaxName: errors and logs quote it.
func checkName(r *wasm.Reader, of, name string) {
	if len(name) > MaxName {
		r.Fail("%w: the name of %s has %d bytes, more than MaxName, which is %d", fuel.ErrLimit, of, len(name), MaxName)
	}
}

func (o *outline) addImports(r *wasm.Reader) {
	for _, i := range r.Imports() {
		checkName(r, "an import", i.Module)
		checkName(r, "an import", i.Name)
		if i.Kind != wasm.KindFunction {
			o.foreign = append(o.foreign, foreignImport{i.Module, i.Name, wasm.KindNames[i.Kind]})
		}
		o.overlaps = o.overlaps || i.Kind == wasm.KindFunction && i.Module == abi.Module && i.Name == abi.Await
	}
}

func (o *outline) addExports(r *wasm.Reader) {
	for _, e := range r.Exports() {
		checkName(r, "an export", e.Name)
		o.program = o.program || e.Kind == wasm.KindFunction && e.Name == "_start"
		o.serves = o.serves || e.Kind == wasm.KindFunction && e.Name == abi.Run
		o.library = o.library || e.Kind == wasm.KindFunction && e.Name == "_initialize"
	}
}

// tables reads the table section and returns it with tables that cannot grow.
func tables(r *wasm.Reader, o *outline) []byte {
	n := r.U32()
	out := binary.AppendUvarint(nil, uint64(n))
	var sum uint64
	for ; n > 0 && r.Err() == nil; n-- {
		out = append(out, r.Byte())
		size := r.Limits().Min
		if sum += uint64(size); sum > maxTableEntries {
			r.Fail("its tables have more than %d entries", maxTableEntries)
		}
		o.hostBytes += bytesPerTable + bytesPerEntry*uint64(size)
		out = append(out, 1) // there is a maximum, and it is the minimum
		out = binary.AppendUvarint(out, uint64(size))
		out = binary.AppendUvarint(out, uint64(size))
	}
	return out
}

// memories reads the memory section and returns it with a memory that grows to maxPages
// at most.
func memories(r *wasm.Reader, o *outline, maxPages uint32) []byte {
	n := r.U32()
	o.hasMemory = n > 0
	out := binary.AppendUvarint(nil, uint64(n))
	for ; n > 0 && r.Err() == nil; n-- {
		flags := r.Byte()
		if flags > 1 {
			r.Fail("a memory is neither of 32 bits nor its guest's own")
		}
		least, most := r.U32(), maxPages
		if flags == 1 {
			most = min(r.U32(), maxPages)
		}
		o.leastPages = max(o.leastPages, least)
		out = append(out, 1)
		out = binary.AppendUvarint(out, uint64(least))
		out = binary.AppendUvarint(out, uint64(most))
	}
	return out
}
