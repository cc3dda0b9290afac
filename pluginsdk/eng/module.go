package eng

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/iansmith/parigot/pluginsdk/internal/abi"
)

// maxTableEntries bounds the tables of a guest, all together. An entry takes 8
// bytes of the host, which the limit of a guest's memory does not see. Go needs
// one entry for each function.
const maxTableEntries = 1 << 20

// The sections and kinds of https://webassembly.github.io/spec/core/binary/modules.html.
const (
	sectionImport = 2
	sectionTable  = 4
	sectionMemory = 5

	kindFunction = 0
	kindTable    = 1
	kindMemory   = 2
	kindGlobal   = 3
)

var kindNames = map[byte]string{kindTable: "table", kindMemory: "memory", kindGlobal: "global"}

// outline is what the engine has to know of a module and wazero does not tell.
type outline struct {
	// foreign are the imports that are no functions, such as a memory.
	foreign []foreignImport
	// hasMemory tells whether the module has a memory.
	hasMemory bool
	// leastPages is how many pages of memory it has to begin with.
	leastPages uint32
	// overlaps tells whether the module imports parigot.await.
	overlaps bool
}

type foreignImport struct{ module, name, kind string }

// confine reads the outline of a module, and returns the module with tables that
// cannot grow, and with a memory that grows to maxPages at most. A table without a
// maximum could grow by gigabytes of the host's memory; table.grow may always fail, and
// does so then.
func confine(wasm []byte, maxPages uint32) ([]byte, outline, error) {
	var o outline
	const preamble = 8
	if len(wasm) < preamble {
		return nil, o, errors.New("it is no WebAssembly module")
	}
	out := append(make([]byte, 0, len(wasm)+16), wasm[:preamble]...)
	r := reader{rest: wasm[preamble:]}
	for len(r.rest) > 0 && r.err == nil {
		id := r.byte()
		body := reader{rest: r.take(r.u32())}
		content := body.rest
		switch id {
		case sectionImport:
			body.imports(&o)
		case sectionTable:
			content = body.tables()
		case sectionMemory:
			content = body.memories(&o, maxPages)
		}
		r.err = errors.Join(r.err, body.err)
		out = append(out, id)
		out = binary.AppendUvarint(out, uint64(len(content)))
		out = append(out, content...)
	}
	if r.err != nil {
		return nil, o, fmt.Errorf("the module is malformed: %w", r.err)
	}
	if o.leastPages > maxPages {
		return nil, o, fmt.Errorf("it needs %d bytes of memory to begin with, more than its limit of %d", uint64(o.leastPages)*pageSize, uint64(maxPages)*pageSize)
	}
	return out, o, nil
}

// imports reads the import section.
func (r *reader) imports(o *outline) {
	for n := r.u32(); n > 0 && r.err == nil; n-- {
		module, name := string(r.take(r.u32())), string(r.take(r.u32()))
		kind := r.byte()
		switch kind {
		case kindFunction:
			r.u32()
			o.overlaps = o.overlaps || module == abi.Module && name == abi.Await
			continue
		case kindTable:
			r.byte()
			r.limits()
		case kindMemory:
			r.limits()
		case kindGlobal:
			r.take(2)
		default:
			r.fail("an import of kind %d", kind)
		}
		o.foreign = append(o.foreign, foreignImport{module, name, kindNames[kind]})
	}
}

// tables reads the table section and returns it with tables that cannot grow.
func (r *reader) tables() []byte {
	n := r.u32()
	out := binary.AppendUvarint(nil, uint64(n))
	var sum uint64
	for ; n > 0 && r.err == nil; n-- {
		out = append(out, r.byte())
		size := r.limits()
		if sum += uint64(size); sum > maxTableEntries {
			r.fail("its tables have more than %d entries", maxTableEntries)
		}
		out = append(out, 1) // there is a maximum, and it is the minimum
		out = binary.AppendUvarint(out, uint64(size))
		out = binary.AppendUvarint(out, uint64(size))
	}
	return out
}

// memories reads the memory section and returns it with a memory that grows to maxPages
// at most.
func (r *reader) memories(o *outline, maxPages uint32) []byte {
	n := r.u32()
	o.hasMemory = n > 0
	out := binary.AppendUvarint(nil, uint64(n))
	for ; n > 0 && r.err == nil; n-- {
		flags := r.byte()
		if flags > 1 {
			r.fail("a memory is neither of 32 bits nor its guest's own")
		}
		least, most := r.u32(), maxPages
		if flags == 1 {
			most = min(r.u32(), maxPages)
		}
		o.leastPages = max(o.leastPages, least)
		out = append(out, 1)
		out = binary.AppendUvarint(out, uint64(least))
		out = binary.AppendUvarint(out, uint64(most))
	}
	return out
}

// limits reads the limits of a table or a memory and returns the minimum.
func (r *reader) limits() uint32 {
	hasMaximum := r.byte()&1 == 1
	size := r.u32()
	if hasMaximum {
		r.u32()
	}
	return size
}

// reader reads the binary format. After an error it reads nothing but zeros.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
	r.rest = nil
}

func (r *reader) byte() byte {
	if b := r.take(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

func (r *reader) take(n uint32) []byte {
	if uint64(n) > uint64(len(r.rest)) {
		r.fail("it ends too early")
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

// u32 reads an integer in LEB128, which may be longer than it needs to be.
func (r *reader) u32() uint32 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 || n > 5 || v > 1<<32-1 {
		r.fail("an integer of 32 bits does not parse")
		return 0
	}
	r.rest = r.rest[n:]
	return uint32(v)
}
