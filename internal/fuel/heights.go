package fuel

// shift counts an instruction that reads and leaves a fixed number of values.
func (e *effort) shift(op byte) {
	e.memory += instructionMemory
	switch {
	case op >= opLocalGet && op <= opGlobalSet:
		e.variable(op)
	case op == opDrop:
		e.height--
	case op == opSelect, op == opSelectTyped:
		e.height -= 2
	case op == opTableGet:
		e.memory += trapMemory
	case op == opTableSet:
		e.memory += trapMemory
		e.height -= 2
	case op >= opFirstLoad && op < opFirstStore:
		e.memory += accessMemory
	case op >= opFirstStore && op <= opLastStore:
		e.memory += accessMemory
		e.height -= 2
	case op == opMemorySize, op >= opI32Const && op <= opF64Const, op == opRefNull, op == opRefFunc:
		e.height++
	case op >= opFirstNumeric && op <= opLastNumeric:
		e.numeric(op)
	}
	e.height = max(e.height, 0)
}

// variable counts an instruction with a local or global variable.
func (e *effort) variable(op byte) {
	switch op {
	case opLocalGet:
		e.gets++
		e.height++
	case opLocalSet:
		e.sets++
		e.height--
	case opLocalTee:
		e.sets++
	case opGlobalGet:
		e.height++
	case opGlobalSet:
		e.height--
	}
}

// numeric counts a numeric instruction, which has one operand or two.
func (e *effort) numeric(op byte) {
	between := func(first, last byte) bool { return op >= first && op <= last }
	switch {
	case between(0x6d, 0x70), between(0x7f, 0x82): // division
		e.memory += trapMemory
		e.height--
	case between(0xa8, 0xb1): // truncation
		e.memory += trapMemory
	case between(0x46, 0x4f), between(0x51, 0x66), between(0x6a, 0x78), between(0x7c, 0x8a), between(0x92, 0x98), between(0xa0, 0xa6):
		e.height--
	}
}

// misc counts an instruction with the prefix opMisc.
func (e *effort) misc(op uint32) {
	switch {
	case op <= miscLastTruncate:
		e.memory += instructionMemory
	case op == miscTableSize:
		e.height++
	case op == miscTableGrow:
		e.memory += callMemory
		e.height--
	case op == miscDataDrop, op == miscElemDrop:
		e.memory += instructionMemory
	default:
		e.height -= 3
		e.memory += bulkMemory
		for range 8 { // blocks of wazero's and of the check
			e.begin(e.depth + 1)
		}
	}
	e.height = max(e.height, 0)
}

// vector counts a vector instruction by what it reads and leaves.
func (e *effort) vector(op byte) {
	e.memory += accessMemory
	switch {
	case op == vectorConst:
		e.height++
	case op == vectorLastLoad, op >= vectorFirstStoreLane && op <= vectorLastLane, op == vectorBitselect:
		e.height -= 2
	case op < vectorLastLoad, op > vectorShuffle+1 && op <= 0x14, unaryVector(op):
	case op >= vectorFirstExtract && op <= vectorLastReplace:
		if op == 0x17 || op == 0x1a || op >= 0x1c && op%2 == 0 { // to replace a lane
			e.height--
		}
	default:
		e.height--
	}
	e.height = max(e.height, 0)
}

// unaryVector reports whether a vector instruction has one operand and one result.
func unaryVector(op byte) bool {
	switch op {
	case 0x4d, 0x53, 0x5c, 0x5d, 0x5e, 0x5f, 0x60, 0x61, 0x62, 0x63, 0x64, 0x67, 0x68, 0x69, 0x6a, 0x74, 0x75, 0x7a,
		0x7c, 0x7d, 0x7e, 0x7f, 0x80, 0x81, 0x83, 0x84, 0x87, 0x88, 0x89, 0x8a, 0x94, 0xa0, 0xa1, 0xa3, 0xa4, 0xa7,
		0xa8, 0xa9, 0xaa, 0xc0, 0xc1, 0xc3, 0xc4, 0xc7, 0xc8, 0xc9, 0xca, 0xe0, 0xe1, 0xe3, 0xec, 0xed, 0xef:
		return true
	}
	return op >= 0xf8
}
