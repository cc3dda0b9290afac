package wasm

import (
	"cmp"
	"slices"
)

// maxGap is the longest run of zeros within what a [Module.Image] returns as one
// piece. Linkers leave out zeros, so a gap belongs to its neighbours.
const maxGap = 64

// Piece is a piece of a module's memory, as it is when an instance starts.
type Piece struct {
	Address uint64
	Bytes   []byte
}

// Image returns the memory that a new instance of the module starts with, without what
// is zero, in the order of addresses. Segments that are not placed by a constant are
// left out.
func (m *Module) Image() ([]Piece, error) {
	var segments []Piece
	for _, s := range m.Sections {
		if s.ID != SectionData {
			continue
		}
		r := NewReader(s.Content)
		for n := r.U32(); n > 0 && r.err == nil; n-- {
			kind := r.U32()
			if kind == 2 { // a memory's number comes first
				r.U32()
			}
			var at uint32
			if kind != 1 { // 1 has no place
				at = r.i32Const()
			}
			b := r.Take(r.U32())
			if kind != 1 {
				segments = append(segments, Piece{uint64(at), b})
			}
		}
		if r.err != nil {
			return nil, r.err
		}
	}
	slices.SortStableFunc(segments, func(a, b Piece) int { return cmp.Compare(a.Address, b.Address) })
	var pieces []Piece
	for _, s := range segments {
		if len(pieces) > 0 {
			last := &pieces[len(pieces)-1]
			end := last.Address + uint64(len(last.Bytes))
			if s.Address >= end && s.Address-end <= maxGap {
				last.Bytes = append(append(last.Bytes, make([]byte, s.Address-end)...), s.Bytes...)
				continue
			}
		}
		pieces = append(pieces, Piece{s.Address, slices.Clone(s.Bytes)})
	}
	return pieces, nil
}
