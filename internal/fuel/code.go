package fuel

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/iansmith/parigot/internal/wasm"
)

// What things cost, in bytes of code.
const (
	// callCost stands for the work of a function that has no check since it calls
	// nothing.
	callCost = 32
	// freeCost is how much work such a function may have.
	freeCost = 256
	// hostCost lets a guest call its host 64 times between two checks. What the host
	// does then is not known here.
	hostCost = Tank / 64
)

// bulk is what the work of an instruction depends on: its last operand.
type bulk byte

const (
	bulkNone    bulk = iota
	bulkFill         // so many bytes are filled
	bulkCopy         // so many bytes are copied
	bulkInit         // so many bytes of a segment, no more than the module has
	bulkEntries      // so many entries of a table
)

// edit is a change of a function's body.
type edit struct {
	at   int // in the body
	kind editKind
	cost int64  // for check
	bulk bulk   // for checkBulk
	f    uint32 // for call: the function
	size int    // for call: how many bytes its index had
}

type editKind byte

const (
	check     editKind = iota // burn cost
	checkBulk                 // burn what the operand says
	refuel                    // ask the host in any case
	call                      // change the index of a function
)

// block is a block, loop or if that has not ended.
type block struct {
	label
	loop int   // the edit at its head, or -1 when it is no loop
	cost int64 // of all before it
}

func (m *meter) rewriteCode(out []byte, r *wasm.Reader) []byte {
	n := r.U32()
	if uint64(n) != uint64(len(m.functions))-uint64(m.imports) {
		r.Fail("there are %d functions with code, and %d with a type", n, uint32(len(m.functions))-m.imports)
		return nil
	}
	out = binary.AppendUvarint(out, uint64(len(m.functions))+helpers) // one for each import, too
	for i := range n {
		body := r.Take(r.U32())
		if r.Err() != nil {
			break
		}
		var err error
		if m.body, err = m.rewriteBody(m.body[:0], body, m.functions[m.imports+i]); err != nil {
			r.Fail("function %d: %w", m.imports+i, err)
			break
		}
		out = m.appendBody(out)
		if err := m.affordable(len(out)); err != nil {
			r.Fail("function %d: %w", m.imports+i, err)
			break
		}
	}
	for i := range m.imports {
		m.body = m.appendHostCall(m.body[:0], i)
		m.weighHostCall(i)
		out = m.appendBody(out)
	}
	out = m.appendHelpers(out)
	m.code = len(out)
	return out
}

// appendBody appends the function that was put together last.
func (m *meter) appendBody(out []byte) []byte {
	out = binary.AppendUvarint(out, uint64(len(m.body)))
	return append(out, m.body...)
}

// appendHostCall appends the body of a function that checks, and then calls the imported
// function f with its own parameters. It takes the place of f wherever the module names it.
func (m *meter) appendHostCall(out []byte, f uint32) []byte {
	out = append(out, 0) // no local variables
	if m.waiting[f] {
		out = m.appendRefuel(out)
	} else {
		out = m.appendCheck(out, func(out []byte) []byte { return wasm.AppendSigned(append(out, opI64Const), hostCost) })
	}
	for i := range m.types[m.functions[f]].params {
		out = binary.AppendUvarint(append(out, opLocalGet), uint64(i))
	}
	out = binary.AppendUvarint(append(out, opCall), uint64(f))
	return append(out, opEnd)
}

// weighHostCall counts the function that stands for the imported function f.
func (m *meter) weighHostCall(f uint32) {
	var e effort
	e.begin(0)
	e.check()
	e.pass(2 * m.types[m.functions[f]].cost()) // from its caller, and to f
	m.total += e.work
	m.largest = max(m.largest, e.memory+callMemory)
}

// rewriteBody appends the body of a function of type t, with checks.
func (m *meter) rewriteBody(out, body []byte, t uint32) ([]byte, error) {
	r := wasm.NewReader(body)
	groups, locals := readLocals(&r)
	f := function{meter: m, body: body, start: len(body) - len(r.Rest()), arity: m.types[t], cost: int64(locals)}
	f.cost += f.arity.cost()
	f.scratch = uint64(f.arity.params) + locals
	f.locals = int64(f.scratch)
	f.scan(&r)
	if r.Err() != nil {
		return nil, fmt.Errorf("the instruction at byte %d: %w", f.at, r.Err())
	}
	m.total += f.work
	m.largest = max(m.largest, f.memory)
	return f.emit(out, groups), nil
}

// readLocals returns how many groups of local variables there are, and how many of them.
func readLocals(r *wasm.Reader) (groups uint32, locals uint64) {
	groups = r.U32()
	for i := uint32(0); i < groups && r.Err() == nil; i++ {
		locals += uint64(r.U32())
		if t := r.Byte(); !isValueType(t) {
			r.Fail("a local variable of type %#x", t)
		}
	}
	if locals >= 1<<32-1 {
		r.Fail("it has %d local variables", locals)
	}
	return groups, locals
}

// function is one that is being rewritten.
type function struct {
	*meter
	effort
	body    []byte
	start   int // of its instructions, in body
	at      int // the instruction that is read
	arity   arity
	scratch uint64 // the local variable that is added when usesBulk
	cost    int64  // of all that was read so far

	calls    bool // it calls functions, and so may never return
	usesBulk bool
	head     int  // the edit of the loop that the function begins with, or -1
	inside   bool // something was read that is no head of a block or loop
}

// scan collects edits.
func (f *function) scan(r *wasm.Reader) {
	f.edits = append(f.edits[:0], edit{at: f.start, kind: check}) // of the function, if it needs one
	f.open = append(f.open[:0], block{loop: -1, label: label{op: opBlock, arity: arity{results: f.arity.results}, least: math.MaxInt64}})
	f.head = -1
	f.begin(0)
	f.check()
	f.pass(f.arity.cost())
	size := len(f.body)
	for len(f.open) > 0 && r.Err() == nil {
		f.at = size - len(r.Rest())
		op := r.Byte()
		f.instruction(r, op)
		if err := f.effort.affordable(f.Memory); err != nil {
			r.Fail("%w", err)
		}
		f.inside = f.inside || op != opBlock && op != opLoop
		f.cost += int64(size - len(r.Rest()) - f.at)
	}
	if r.More() {
		r.Fail("it goes on behind its end")
	}
	f.weigh()
}

// weigh decides about the check at the start of the function. All that could run once
// is paid for there, and all that could run again at the head of its loop.
func (f *function) weigh() {
	f.cost += f.frame()
	switch {
	case !f.calls && f.cost <= freeCost:
		f.edits[0].cost = 0
	case f.head >= 0:
		f.edits[f.head].cost = f.cost
	default:
		f.edits[0].cost = f.cost
	}
}

// instruction reads what follows op.
func (f *function) instruction(r *wasm.Reader, op byte) {
	switch op {
	case opBlock, opLoop, opIf:
		t := f.blockType(r)
		f.cost += t.cost()
		b := block{loop: -1, cost: f.cost, label: f.enter(op, t)}
		if op == opLoop {
			b.loop = len(f.edits)
			if !f.inside && f.head < 0 {
				f.head = b.loop
			}
			f.edits = append(f.edits, edit{at: len(f.body) - len(r.Rest()), kind: check})
		}
		f.open = append(f.open, b)
	case opEnd:
		b := f.open[len(f.open)-1]
		f.open = f.open[:len(f.open)-1]
		if b.loop >= 0 {
			f.edits[b.loop].cost = f.cost - b.cost + 1
		}
		f.leave(b.label)
	case opElse:
		f.otherwise(&f.open[len(f.open)-1].label)
	case opBr, opBrIf, opBrTable, opReturn, opUnreachable:
		f.jump(r, op)
	case opCall:
		callee := f.call(r)
		f.calls = f.calls || callee >= f.imports
		if r.Err() == nil {
			t := f.types[f.functions[callee]]
			f.cost += callCost + t.cost()
			f.called(t, callMemory)
		}
	case opCallIndirect:
		f.calls = true
		t := f.meter.arity(r, r.U32())
		f.cost += callCost + t.cost()
		f.move(1, 0)
		f.called(t, callIndirectMemory)
		r.U32()
	case opRefFunc:
		f.call(r)
		f.shift(op)
	case opLocalGet, opLocalSet, opLocalTee: // the scratch variable is no other's
		if l := r.U32(); uint64(l) >= f.scratch {
			r.Fail("there is no local variable %d", l)
		}
		f.shift(op)
	case opGlobalGet, opGlobalSet:
		if g := r.U32(); g >= f.globals {
			r.Fail("there is no global %d", g)
		}
		f.shift(op)
	case opMemoryGrow:
		r.Byte()
		f.memory += 2 * callMemory
		f.edits = append(f.edits, edit{at: f.at, kind: refuel})
	case opMisc:
		misc, b := miscOperands(r)
		f.misc(misc)
		if b != bulkNone {
			f.usesBulk = true
			f.edits = append(f.edits, edit{at: f.at, kind: checkBulk, bulk: b})
		}
	case opVector:
		f.vector(vectorOperands(r))
	default:
		operands(r, op)
		f.shift(op)
	}
}

// call reads the index of a function, which changes.
func (f *function) call(r *wasm.Reader) uint32 {
	before := len(r.Rest())
	callee := f.readFunction(r)
	f.edits = append(f.edits, edit{at: len(f.body) - before, kind: call, f: f.callable(callee), size: before - len(r.Rest())})
	return callee
}

// blockType reads the type of a block.
func (f *function) blockType(r *wasm.Reader) arity {
	if len(r.Rest()) > 0 && (r.Rest()[0] == blockEmpty || isValueType(r.Rest()[0])) {
		if r.Byte() == blockEmpty {
			return arity{}
		}
		return arity{results: 1}
	}
	t := r.Signed(5)
	if t < 0 || t > 1<<32-1 {
		r.Fail("a block of type %d", t)
		return arity{}
	}
	return f.meter.arity(r, uint32(t))
}

// emit appends the body with all edits.
func (f *function) emit(out []byte, groups uint32) []byte {
	if f.usesBulk {
		// One more group of local variables: the scratch variable.
		skip := wasm.NewReader(f.body)
		skip.U32()
		out = binary.AppendUvarint(out, uint64(groups)+1)
		out = append(out, f.body[len(f.body)-len(skip.Rest()):f.start]...)
		out = append(out, 1, 0x7f)
	} else {
		out = append(out, f.body[:f.start]...)
	}
	done := f.start
	for _, e := range f.edits {
		out = append(out, f.body[done:e.at]...)
		done = e.at
		switch e.kind {
		case check:
			if e.cost > 0 {
				out = f.appendCheck(out, func(out []byte) []byte { return wasm.AppendSigned(append(out, opI64Const), e.cost) })
			}
		case checkBulk:
			out = f.appendBulk(out, e.bulk)
		case refuel:
			out = f.appendRefuel(out)
		case call:
			out = binary.AppendUvarint(out, uint64(e.f))
			done += e.size
		}
	}
	return append(out, f.body[done:]...)
}

// appendCheck appends instructions that burn what those of cost leave on the stack.
func (m *meter) appendCheck(out []byte, cost func([]byte) []byte) []byte {
	out = append(m.appendBurn(out, cost), blockEmpty)
	return append(m.appendRefuel(out), opEnd)
}

// appendBurn appends appendCheck up to its if, whose type has to follow.
func (m *meter) appendBurn(out []byte, cost func([]byte) []byte) []byte {
	out = m.appendFuel(out, opGlobalGet)
	out = append(cost(out), opI64Sub)
	out = m.appendFuel(out, opGlobalSet)
	out = m.appendFuel(out, opGlobalGet)
	return append(out, opI64Const, 0, opI64LtS, opIf)
}

// appendBulk appends the check before an instruction that works on a number of things.
// A long one of memory has its pieces done by a function, but the last.
func (f *function) appendBulk(out []byte, b bulk) []byte {
	out = binary.AppendUvarint(append(out, opLocalTee), f.scratch)
	out = f.appendBurn(out, func(out []byte) []byte {
		out = binary.AppendUvarint(append(out, opLocalGet), f.scratch)
		out = append(out, opI64ExtendI32U)
		if b == bulkEntries { // of 8 bytes
			out = append(out, opI64Const, 3, opI64Shl)
		}
		return out
	})
	if b != bulkFill && b != bulkCopy {
		out = append(out, blockEmpty)
		return append(f.appendRefuel(out), opEnd)
	}
	helper := f.helper()
	if b == bulkCopy {
		helper++
	}
	out = wasm.AppendSigned(out, int64(len(f.types))+1)
	out = binary.AppendUvarint(append(out, opCall), helper)
	return append(out, opEnd)
}

func (m *meter) appendRefuel(out []byte) []byte {
	out = binary.AppendUvarint(append(out, opCall), uint64(m.imports))
	return m.appendFuel(out, opGlobalSet)
}

func (m *meter) appendFuel(out []byte, op byte) []byte {
	return binary.AppendUvarint(append(out, op), uint64(m.globals))
}
