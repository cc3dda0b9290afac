// Package wasmbin reads the binary format of WebAssembly modules, which may be
// hostile: https://webassembly.github.io/spec/core/binary/modules.html.
package wasmbin

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Sections of a module.
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

// Kinds of imports and exports.
const (
	KindFunction = 0
	KindTable    = 1
	KindMemory   = 2
	KindGlobal   = 3
)

// Section is a part of a module.
type Section struct {
	ID   byte
	Body []byte
}

const preamble = 8 // bytes

// Sections splits a module. The sections share its memory.
func Sections(wasm []byte) ([]Section, error) {
	if len(wasm) < preamble {
		return nil, errors.New("it is no WebAssembly module")
	}
	var sections []Section
	r := Reader{Rest: wasm[preamble:]}
	for r.More() {
		sections = append(sections, Section{ID: r.Byte(), Body: r.Take(r.U32())})
	}
	return sections, r.Err
}

// Join makes a module of sections, with the preamble of another.
func Join(wasm []byte, sections []Section) []byte {
	size := preamble
	for _, s := range sections {
		size += 1 + binary.MaxVarintLen32 + len(s.Body)
	}
	out := append(make([]byte, 0, size), wasm[:preamble]...)
	for _, s := range sections {
		out = append(out, s.ID)
		out = binary.AppendUvarint(out, uint64(len(s.Body)))
		out = append(out, s.Body...)
	}
	return out
}

// Reader reads what is in Rest. After an error it reads nothing but zeros.
type Reader struct {
	Rest []byte
	Err  error
}

// More reports whether there is something left to read, and no error.
func (r *Reader) More() bool { return len(r.Rest) > 0 && r.Err == nil }

// Fail sets the error of r, unless it has one.
func (r *Reader) Fail(format string, args ...any) {
	if r.Err == nil {
		r.Err = fmt.Errorf(format, args...)
	}
	r.Rest = nil
}

// Byte reads a byte.
func (r *Reader) Byte() byte {
	if b := r.Take(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

// Take reads n bytes, without copying them.
func (r *Reader) Take(n uint32) []byte {
	if uint64(n) > uint64(len(r.Rest)) {
		r.Fail("it ends too early")
		return nil
	}
	b := r.Rest[:n]
	r.Rest = r.Rest[n:]
	return b
}

// U32 reads an integer in LEB128, which may be longer than it needs to be.
func (r *Reader) U32() uint32 {
	v, n := binary.Uvarint(r.Rest)
	if n <= 0 || n > 5 || v > 1<<32-1 {
		r.Fail("an integer of 32 bits does not parse")
		return 0
	}
	r.Rest = r.Rest[n:]
	return uint32(v)
}

// Signed reads a signed integer in LEB128 of at most size bytes. What does not fit
// into 64 bits is cut off.
func (r *Reader) Signed(size int) int64 {
	var v int64
	for i := range size {
		b := r.Byte()
		v |= int64(b&0x7f) << (7 * i)
		if b&0x80 != 0 {
			continue
		}
		if shift := 7 * (i + 1); b&0x40 != 0 && shift < 64 {
			v |= -1 << shift
		}
		return v
	}
	r.Fail("an integer is longer than %d bytes", size)
	return 0
}

// Limits reads the limits of a table or a memory and returns the minimum.
func (r *Reader) Limits() uint32 {
	hasMaximum := r.Byte()&1 == 1
	size := r.U32()
	if hasMaximum {
		r.U32()
	}
	return size
}
