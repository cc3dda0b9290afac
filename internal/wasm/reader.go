// Package wasm reads the binary format of WebAssembly modules, as far as the engine
// and the tools need it: https://webassembly.github.io/spec/core/binary/. It does not
// validate a module. What it reads may be hostile: lengths are checked, and nothing is
// allocated that the module does not have the bytes for.
package wasm

import (
	"encoding/binary"
	"fmt"
)

// Reader reads the binary format. After an error it reads nothing but zeros. The zero
// value is at its end.
type Reader struct {
	rest []byte
	err  error
}

// NewReader returns a reader of b, which must not change meanwhile.
func NewReader(b []byte) Reader { return Reader{rest: b} }

// Err returns the first error, or nil.
func (r *Reader) Err() error { return r.err }

// Rest returns what was not read yet.
func (r *Reader) Rest() []byte { return r.rest }

// More reports whether there is something left to read, and no error.
func (r *Reader) More() bool { return len(r.rest) > 0 && r.err == nil }

// Fail ends the reading with an error, unless there was one before.
func (r *Reader) Fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
	r.rest = nil
}

// Byte reads a byte.
func (r *Reader) Byte() byte {
	if b := r.Take(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

// Take reads n bytes. They share the memory of the module.
func (r *Reader) Take(n uint32) []byte {
	if uint64(n) > uint64(len(r.rest)) {
		r.Fail("it ends too early")
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

// U32 reads an integer in LEB128, which may be longer than it needs to be.
func (r *Reader) U32() uint32 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 || n > 5 || v > 1<<32-1 {
		r.Fail("an integer of 32 bits does not parse")
		return 0
	}
	r.rest = r.rest[n:]
	return uint32(v)
}

// Signed reads a signed integer in LEB128 of at most size bytes. What does not fit into
// 64 bits is cut off.
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

// AppendSigned appends v in signed LEB128.
func AppendSigned(out []byte, v int64) []byte {
	for v < -64 || v > 63 {
		out = append(out, byte(v)|0x80)
		v >>= 7
	}
	return append(out, byte(v)&0x7f)
}

// Name reads a name: a length, and as many bytes.
func (r *Reader) Name() string { return string(r.Take(r.U32())) }

// Limits are those of a memory, in pages of 64 KiB, or of a table, in entries.
type Limits struct {
	Min uint32
	Max uint32 // if HasMax
	// HasMax tells whether there is a maximum.
	HasMax bool
}

// Limits reads limits.
func (r *Reader) Limits() Limits {
	l := Limits{HasMax: r.Byte()&1 == 1, Min: r.U32()}
	if l.HasMax {
		l.Max = r.U32()
	}
	return l
}

// i32Const reads the constant expression that a segment's offset is.
func (r *Reader) i32Const() uint32 {
	if r.Byte() != 0x41 {
		r.Fail("an offset is no constant")
		return 0
	}
	v := uint32(r.Signed(5))
	if r.Byte() != 0x0b {
		r.Fail("an offset is no constant")
	}
	return v
}
