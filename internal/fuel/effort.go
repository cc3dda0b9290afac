package fuel

import (
	"fmt"
	"math"

	"github.com/iansmith/parigot/internal/wasm"
)

// Limits of a module that is metered. wazero compiles it in a time and a memory that are
// linear in its size, or Meter refuses it.
const (
	// MaxImports, MaxTypes, MaxFunctions, MaxTables, MaxGlobals, MaxExports and MaxSegments
	// bound the entries of a module. MaxSegments holds for data and for elements.
	MaxImports   = 4096
	MaxTypes     = 4096
	MaxFunctions = 200_000
	MaxTables    = 1000
	MaxGlobals   = 20_000
	MaxExports   = 20_000
	MaxSegments  = 200_000
	// MaxValues bounds the parameters and results of one type.
	MaxValues = 1000
	// MaxTypeValues bounds the parameters and results of all types together.
	MaxTypeValues = 32 << 10
	// MaxFunctionWork bounds the work of compiling one function beyond what is linear in
	// its size, in nanoseconds of a processor of 2020.
	MaxFunctionWork = 1_000_000_000
	// MaxWork bounds that of all functions together, for each byte of the module.
	MaxWork = 4000
)

// What wazero (v1.12.0) takes, in nanoseconds. Measured with modules of one kind of
// instruction, and rounded up.
const (
	dominatorWork = 10  // for each block that dominates a block
	liveWork      = 300 // for each value that is live where a block begins
	passWork      = 600 // for each value that a call or a branch passes
	labelWork     = 2   // for each block that a branch leaves
	jumpWork      = 1   // for each two branches to the same block
	exportWork    = 2   // for each export, and each function
	phiWork       = 150 // for each two variables, and each branch, that meet where a block begins
)

// The memory that wazero takes, in bytes.
const (
	moduleMemory       = 4  // for each byte of the module
	codeMemory         = 20 // for each byte of the metered code
	instructionMemory  = 400
	accessMemory       = 1000 // for a load or a store
	blockMemory        = 3 << 10
	liveMemory         = 60
	passMemory         = 300
	callMemory         = 3 << 10
	callIndirectMemory = 14 << 10
	trapMemory         = 5 << 10 // for an instruction with a check of its own
	bulkMemory         = 70 << 10
	typeMemory         = 1 << 10
	valueMemory        = 2 << 10 // for each parameter and result of a type
	entryMemory        = 1 << 10 // for each function, import, export, table, global, segment
	elementMemory      = 64
)

// effort is what compiling a function takes beside what is linear in its size. The
// function need not be valid: then wazero does not get so far as to compile it.
type effort struct {
	work, memory int64
	blocks       int64
	lives        int64 // the values that are live where blocks begin, all together
	passed       int64 // the values that calls and branches pass
	locals       int64
	gets, sets   int64 // of local variables so far
	height       int64 // of the operand stack
	// depth is an upper bound of how many blocks dominate the one that is read. wazero
	// walks over them for each block.
	depth int64
	dead  int // how many open blocks cannot be reached
}

// label is what a branch to a block has to know.
type label struct {
	op     byte
	arity  arity
	under  int64 // the height of the operand stack below its parameters
	before int64 // the depth where it begins
	least  int64 // the least depth of what jumps to its end
	jumps  int64 // how many branches there are to it
	gets   int64 // of local variables before it
	sets   int64
}

// passes is how many values a branch to the label takes along.
func (l label) passes() int64 {
	if l.op == opLoop {
		return int64(l.arity.params)
	}
	return int64(l.arity.results)
}

// begin starts a block of the compiler, which depth others dominate.
func (e *effort) begin(depth int64) {
	e.depth = depth
	e.blocks++
	e.lives += e.height + e.locals
	e.work += dominatorWork*depth + liveWork*(e.height+e.locals)
	e.memory += blockMemory + liveMemory*(e.height+e.locals)
}

// check counts the instructions that burn fuel.
func (e *effort) check() {
	e.memory += 8*instructionMemory + callMemory
	e.begin(e.depth + 1)
	e.begin(e.depth)
}

func (e *effort) pass(n int64) {
	e.passed += n
	e.work += passWork * n
	e.memory += passMemory * n
}

func (e *effort) move(pops, pushes int64) { e.height = max(e.height-pops, 0) + pushes }

// enter is called for a block, loop or if.
func (e *effort) enter(op byte, t arity) label {
	if op == opIf {
		e.move(1, 0)
	}
	l := label{op: op, arity: t, under: max(e.height-int64(t.params), 0), before: e.depth, least: math.MaxInt64, gets: e.gets, sets: e.sets}
	e.memory += blockMemory
	if e.dead > 0 {
		e.dead++
		return l
	}
	e.pass(t.cost())
	switch op {
	case opLoop:
		e.begin(e.depth + 1)
		e.check()
	case opIf:
		e.begin(e.depth + 1)
	}
	return l
}

// otherwise is called for an else.
func (e *effort) otherwise(l *label) {
	e.height = l.under + int64(l.arity.params)
	if e.dead > 1 {
		return
	}
	if e.dead == 0 {
		l.least = min(l.least, e.depth)
	}
	l.op = opElse
	e.dead = 0
	e.begin(l.before + 1)
}

// leave is called for the end of a block.
func (e *effort) leave(l label) {
	e.height = l.under + int64(l.arity.results)
	if e.dead > 1 {
		e.dead--
		return
	}
	if e.dead == 0 {
		l.least = min(l.least, e.depth)
	}
	if l.op == opIf { // without else
		l.least = min(l.least, l.before)
	}
	if l.least == math.MaxInt64 { // nothing goes there
		l.least = e.depth
	}
	e.dead = 0
	e.join(l)
	e.begin(l.least + 1)
}

// join counts the variables that may differ between the branches to a block. At the head
// of a loop these are all that are used in it.
func (e *effort) join(l label) {
	variables := e.sets - l.sets
	if l.op == opLoop {
		variables += e.gets - l.gets
	}
	variables = min(variables, e.locals)
	if l.jumps > 0 {
		variables += l.passes()
	}
	e.work += phiWork * variables * variables * (l.jumps + 1)
}

// branch counts a jump to the block that is n blocks further out.
func (f *function) branch(n uint32) {
	if uint64(n) >= uint64(len(f.open)) || f.dead > 0 {
		return
	}
	l := &f.open[len(f.open)-1-int(n)].label
	l.least = min(l.least, f.depth)
	l.jumps++
	f.pass(l.passes())
	f.work += labelWork*int64(n) + jumpWork*l.jumps
}

// unreachable is called behind an instruction that does not go on to the next one.
func (e *effort) unreachable() {
	if e.dead == 0 {
		e.dead = 1
	}
}

// jump reads what follows an instruction that branches.
func (f *function) jump(r *wasm.Reader, op byte) {
	switch op {
	case opBr:
		f.branch(r.U32())
		f.unreachable()
	case opBrIf:
		f.move(1, 0)
		f.branch(r.U32())
		if f.dead == 0 {
			f.begin(f.depth + 1)
		}
	case opBrTable:
		for n := uint64(r.U32()) + 1; n > 0 && r.Err() == nil; n-- {
			f.branch(r.U32())
			f.memory += blockMemory
		}
		f.unreachable()
	case opUnreachable, opReturn:
		f.unreachable()
	}
}

// called counts the call of a function.
func (f *function) called(t arity, memory int64) {
	f.memory += memory
	f.pass(t.cost())
	f.move(int64(t.params), int64(t.results))
}

// affordable returns an error when compiling the function is too much.
func (e *effort) affordable(limit int64) error {
	switch {
	case e.work > MaxFunctionWork:
		return fmt.Errorf("%w: its %d blocks, and the values that go from one to the next, take longer to compile than MaxFunctionWork", ErrLimit, e.blocks)
	case e.memory > limit:
		return fmt.Errorf("%w: the function alone takes more than %d bytes", ErrMemory, limit)
	}
	return nil
}

// needs is how much memory compiling takes, for metered code of a size.
func (m *meter) needs(code int) int64 {
	return moduleMemory*int64(m.bytes) + codeMemory*int64(code) + entryMemory*m.entries + elementMemory*m.elements +
		valueMemory*m.values + m.largest
}

// affordable returns an error when compiling the module is too much, as far as it was read.
func (m *meter) affordable(code int) error {
	switch {
	case m.total > MaxFunctionWork+MaxWork*int64(m.bytes):
		return fmt.Errorf("%w: its functions, their blocks and values, and its exports take longer to compile than MaxWork", ErrLimit)
	case m.needs(code) > m.Memory:
		return fmt.Errorf("%w: it takes up to %d bytes, more than the %d it may take", ErrMemory, m.needs(code), m.Memory)
	}
	return nil
}

// frame is what a call of the function burns for the bytes that it takes on the stack. wazero
// has a slot of at most 16 bytes for each value that it computes, and for each that goes
// into a block, of which few are in use; so a quarter of that is still more than a frame has.
func (f *function) frame() int64 {
	const registers, slot = 64, 4
	return registers + slot*(int64(len(f.body))+f.lives+f.passed)
}
