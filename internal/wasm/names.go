package wasm

import (
	"encoding/binary"
	"iter"
	"unicode/utf8"
)

// NameSection is the name of the custom section with the names of functions, variables and
// the module itself.
const NameSection = "name"

// namesOfFunctions is the part of the section that has the names of functions.
const namesOfFunctions = 1

// FunctionNames returns the functions that have a name, by the content of the section
// [NameSection], in ascending order. It leaves out empty names, names that are not
// UTF-8 or not in order, and everything from the first malformed byte on. The names share the memory of
// the module.
func FunctionNames(content []byte) iter.Seq2[uint32, []byte] {
	return func(yield func(uint32, []byte) bool) {
		r := NewReader(content)
		for r.More() {
			id := r.Byte()
			part := NewReader(r.Take(r.U32()))
			if id != namesOfFunctions {
				continue
			}
			next := uint64(0)
			for n := part.U32(); n > 0 && part.err == nil; n-- {
				f, name := part.U32(), part.Take(part.U32())
				if part.err != nil || uint64(f) < next || len(name) == 0 || !utf8.Valid(name) {
					continue
				}
				if next = uint64(f) + 1; !yield(f, name) {
					return
				}
			}
			return
		}
	}
}

// NameSectionOf returns the body of a section [NameSection] with names of functions, which
// must be in ascending order, and nothing else.
func NameSectionOf(names iter.Seq2[uint32, []byte]) []byte {
	var entries []byte
	count := uint64(0)
	for f, name := range names {
		count++
		entries = binary.AppendUvarint(entries, uint64(f))
		entries = binary.AppendUvarint(entries, uint64(len(name)))
		entries = append(entries, name...)
	}
	list := append(binary.AppendUvarint(nil, count), entries...)
	body := append([]byte{byte(len(NameSection))}, NameSection...)
	body = binary.AppendUvarint(append(body, namesOfFunctions), uint64(len(list)))
	return append(body, list...)
}
