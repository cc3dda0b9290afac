package fuel

import (
	"encoding/binary"

	"github.com/iansmith/parigot/internal/wasm"
)

// piece is how many bytes of memory are written between two checks, in an instruction
// that writes more than a tank allows.
const piece = 4 << 20

// helpers is how many functions are added beside those that stand for imports. One fills
// memory, and one copies it. Both have the type longType, of an instruction's operands to
// those of what is left of it: at most a piece, or all that is out of bounds, so that it
// traps before anything is written. The third calls the start function, and is exported in
// its place: an export would make the function itself one that a module may refer to.
const (
	helpers   = 3
	longType  = "\x60\x03\x7f\x7f\x7f\x03\x7f\x7f\x7f"
	startType = "\x60\x00\x00"
)

// helper returns the index of the first helper.
func (m *meter) helper() uint64 { return uint64(len(m.functions)) + uint64(m.imports) + 1 }

// appendHelpers appends the helpers to the code.
func (m *meter) appendHelpers(out []byte) []byte {
	for _, add := range [helpers]func([]byte) []byte{m.appendLongFill, m.appendLongCopy, m.appendStart} {
		m.body = add(m.body[:0])
		out = m.appendBody(out)
	}
	return out
}

func (m *meter) appendStart(out []byte) []byte {
	out = append(out, 0) // no local variables
	if m.start != nil {
		out = binary.AppendUvarint(append(out, opCall), uint64(m.callable(*m.start)))
	}
	return append(out, opEnd)
}

// The parameters of a helper.
const (
	longTo   = 0
	longFrom = 1 // or the value
	longSize = 2
)

// appendLongFill appends the body of the function for memory.fill.
func (m *meter) appendLongFill(out []byte) []byte {
	return m.appendLong(out, func(out []byte) []byte {
		out = m.inBounds(out, longTo)
		out = append(out, opIf, blockEmpty)
		out = m.forwards(out, longTo, []byte{opMisc, miscMemoryFill, 0})
		return append(out, opEnd)
	})
}

// appendLongCopy appends the body of the function for memory.copy. What is copied may
// overlap with where it goes, so what lies behind goes first when it goes up.
func (m *meter) appendLongCopy(out []byte) []byte {
	return m.appendLong(out, func(out []byte) []byte {
		instruction := []byte{opMisc, miscMemoryCopy, 0, 0}
		out = m.inBounds(out, longTo)
		out = append(m.inBounds(out, longFrom), opI32And, opIf, blockEmpty)
		out = append(out, opLocalGet, longTo, opLocalGet, longFrom, opI32GtU, opIf, blockEmpty)
		out = m.backwards(out, instruction)
		out = append(out, opElse)
		out = m.forwards(out, longFrom, instruction)
		return append(out, opEnd, opEnd)
	})
}

// appendLong appends a function that refuels, does what body says, and returns its
// parameters as they are then.
func (m *meter) appendLong(out []byte, body func([]byte) []byte) []byte {
	out = m.appendRefuel(append(out, 0)) // no local variables
	if m.hasMemory {
		out = body(out)
	}
	return append(out, opLocalGet, longTo, opLocalGet, longFrom, opLocalGet, longSize, opEnd)
}

// inBounds appends whether the bytes from a parameter on are all in memory.
func (m *meter) inBounds(out []byte, from byte) []byte {
	const log2PageSize = 16
	out = append(out, opLocalGet, from, opI64ExtendI32U, opLocalGet, longSize, opI64ExtendI32U, opI64Add)
	return append(out, opMemorySize, 0, opI64ExtendI32U, opI64Const, log2PageSize, opI64Shl, opI64LeU)
}

// forwards appends a loop that does the first pieces first. last is the last of the
// parameters from 0 on that are addresses.
func (m *meter) forwards(out []byte, last byte, instruction []byte) []byte {
	return m.pieces(out, func(out []byte) []byte {
		out = append(out, opLocalGet, longTo, opLocalGet, longFrom)
		out = append(appendPiece(out), instruction...)
		for p := byte(longTo); p <= last; p++ {
			out = append(out, opLocalGet, p)
			out = append(appendPiece(out), opI32Add, opLocalSet, p)
		}
		return appendLess(out)
	})
}

// backwards appends a loop that does the last pieces first.
func (m *meter) backwards(out []byte, instruction []byte) []byte {
	return m.pieces(out, func(out []byte) []byte {
		out = appendLess(out)
		out = append(out, opLocalGet, longTo, opLocalGet, longSize, opI32Add)
		out = append(out, opLocalGet, longFrom, opLocalGet, longSize, opI32Add)
		return append(appendPiece(out), instruction...)
	})
}

// pieces appends a loop that does one piece after the other while there is more than one.
func (m *meter) pieces(out []byte, one func([]byte) []byte) []byte {
	out = append(out, opLoop, blockEmpty, opLocalGet, longSize)
	out = append(appendPiece(out), opI32GtU, opIf, blockEmpty)
	out = m.appendCheck(out, func(out []byte) []byte { return wasm.AppendSigned(append(out, opI64Const), piece) })
	return append(one(out), opBr, 1, opEnd, opEnd)
}

func appendPiece(out []byte) []byte { return wasm.AppendSigned(append(out, opI32Const), piece) }

// appendLess appends that there is a piece less to do.
func appendLess(out []byte) []byte {
	out = append(out, opLocalGet, longSize)
	return append(appendPiece(out), opI32Sub, opLocalSet, longSize)
}

// appendHelperTypes appends the types of the helpers to the section of functions.
func (m *meter) appendHelperTypes(entries []byte) []byte {
	long := uint64(len(m.types)) + 1
	entries = binary.AppendUvarint(entries, long)
	entries = binary.AppendUvarint(entries, long)
	return binary.AppendUvarint(entries, long+1)
}
