package fuel

import (
	"encoding/binary"

	"github.com/iansmith/parigot/internal/wasm"
)

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
	out = wasm.AppendSigned(append(out, opI64Const), Tank)
	return append(out, expressionEnd)
}

func (m *meter) rewriteExports(out []byte, r *wasm.Reader) []byte {
	n := m.count(r, "MaxExports", MaxExports)
	m.total += exportWork * int64(n) * int64(len(m.functions)+int(m.imports))
	if m.start != nil {
		out = appendName(binary.AppendUvarint(out, uint64(n)+1), m.Start)
		out = binary.AppendUvarint(append(out, wasm.KindFunction), m.helper()+2)
	} else {
		out = binary.AppendUvarint(out, uint64(n))
	}
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
	n := m.count(r, "MaxSegments", MaxSegments)
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
		m.elements += int64(count)
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

func (m *meter) countGlobals(r *wasm.Reader) {
	n := m.count(r, "MaxGlobals", MaxGlobals)
	m.globals += n
	for ; n > 0 && r.Err() == nil; n-- {
		r.Take(2)
		m.expression(r, nil)
	}
}
