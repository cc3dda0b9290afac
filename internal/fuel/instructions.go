package fuel

import "github.com/iansmith/parigot/internal/wasm"

// Instructions, as https://webassembly.github.io/spec/core/binary/instructions.html
// numbers them.
const (
	opUnreachable   = 0x00
	opNop           = 0x01
	opBlock         = 0x02
	opLoop          = 0x03
	opIf            = 0x04
	opElse          = 0x05
	opEnd           = 0x0b
	opBr            = 0x0c
	opBrIf          = 0x0d
	opBrTable       = 0x0e
	opReturn        = 0x0f
	opCall          = 0x10
	opCallIndirect  = 0x11
	opDrop          = 0x1a
	opSelect        = 0x1b
	opSelectTyped   = 0x1c
	opLocalGet      = 0x20
	opLocalSet      = 0x21
	opLocalTee      = 0x22
	opGlobalGet     = 0x23
	opGlobalSet     = 0x24
	opTableGet      = 0x25
	opTableSet      = 0x26
	opFirstLoad     = 0x28
	opFirstStore    = 0x36
	opLastStore     = 0x3e
	opMemorySize    = 0x3f
	opMemoryGrow    = 0x40
	opI32Const      = 0x41
	opI64Const      = 0x42
	opF32Const      = 0x43
	opF64Const      = 0x44
	opFirstNumeric  = 0x45
	opI32GtU        = 0x4b
	opI64LtS        = 0x53
	opI64LeU        = 0x58
	opI32Add        = 0x6a
	opI32Sub        = 0x6b
	opI32And        = 0x71
	opI64Add        = 0x7c
	opI64Sub        = 0x7d
	opI64Shl        = 0x86
	opI64ExtendI32U = 0xad
	opLastNumeric   = 0xc4
	opRefNull       = 0xd0
	opRefIsNull     = 0xd1
	opRefFunc       = 0xd2
	opMisc          = 0xfc
	opVector        = 0xfd

	miscLastTruncate = 7
	miscMemoryInit   = 8
	miscDataDrop     = 9
	miscMemoryCopy   = 10
	miscMemoryFill   = 11
	miscTableInit    = 12
	miscElemDrop     = 13
	miscTableCopy    = 14
	miscTableGrow    = 15
	miscTableSize    = 16
	miscTableFill    = 17

	vectorLastLoad       = 0x0b // and the first store
	vectorConst          = 0x0c
	vectorShuffle        = 0x0d
	vectorFirstExtract   = 0x15
	vectorLastReplace    = 0x22
	vectorFirstLane      = 0x54
	vectorLastLane       = 0x5b
	vectorBitselect      = 0x52
	vectorFirstStoreLane = 0x58
	vectorLoad32Zero     = 0x5c
	vectorLoad64Zero     = 0x5d

	blockEmpty = 0x40
)

// operands reads what follows an instruction that needs no more attention.
//
// This must agree with wazero byte by byte: a guest that could hide a loop from one of
// the two would run for ever. So what no compiler writes is an error. Of a vector
// instruction wazero reads one byte; the second byte of those from 128 on is a 1, and
// counts as an instruction that does nothing, here as there.
func operands(r *wasm.Reader, op byte) {
	switch {
	case op == opNop, op == opDrop, op == opSelect, op == opRefIsNull,
		op >= opFirstNumeric && op <= opLastNumeric:
	case op >= opLocalGet && op <= opLocalTee, op == opTableGet, op == opTableSet:
		r.U32()
	case op == opSelectTyped:
		if n, t := r.Byte(), r.Byte(); n != 1 || !isValueType(t) {
			r.Fail("a select of %d types, the first of them %#x", n, t)
		}
	case op >= opFirstLoad && op <= opLastStore:
		memoryArgument(r)
	case op == opMemorySize:
		r.Byte()
	case op == opI32Const:
		r.Signed(5)
	case op == opI64Const:
		r.Signed(10)
	case op == opF32Const:
		r.Take(4)
	case op == opF64Const:
		r.Take(8)
	case op == opRefNull:
		readReferenceType(r)
	default:
		r.Fail("guests may not use %#x", op)
	}
}

func memoryArgument(r *wasm.Reader) {
	r.U32()
	r.U32()
}

func vectorOperands(r *wasm.Reader) (op byte) {
	switch op = r.Byte(); {
	case op <= vectorLastLoad, op == vectorLoad32Zero, op == vectorLoad64Zero:
		memoryArgument(r)
	case op == vectorConst, op == vectorShuffle:
		r.Take(16)
	case op >= vectorFirstExtract && op <= vectorLastReplace:
		r.Byte()
	case op >= vectorFirstLane && op <= vectorLastLane:
		memoryArgument(r)
		r.Byte()
	}
	return op
}

// miscOperands reads what follows an instruction with the prefix opMisc. It returns
// the instruction, and what its work depends on.
func miscOperands(r *wasm.Reader) (op uint32, b bulk) {
	switch op = r.U32(); {
	case op <= miscLastTruncate:
	case op == miscMemoryInit:
		r.U32()
		r.U32()
		b = bulkInit
	case op == miscMemoryCopy:
		r.U32()
		r.U32()
		b = bulkCopy
	case op == miscMemoryFill:
		r.U32()
		b = bulkFill
	case op == miscTableInit, op == miscTableCopy:
		r.U32()
		r.U32()
		b = bulkEntries
	case op == miscTableFill:
		r.U32()
		b = bulkEntries
	case op == miscDataDrop, op == miscElemDrop, op == miscTableGrow, op == miscTableSize:
		r.U32()
	default:
		r.Fail("guests may not use 0xfc %d", op)
	}
	return op, b
}

func readReferenceType(r *wasm.Reader) {
	if b := r.Byte(); b != 0x6f && b != 0x70 {
		r.Fail("a reference of type %#x", b)
	}
}
