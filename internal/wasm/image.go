package wasm

import (
	"cmp"
	"slices"
)

// maxGap is the longest run of zeros within one piece of [Module.Image] or one segment of
// [MergeData]. Linkers leave out zeros, so a gap belongs to its neighbours.
const maxGap = 64

// Piece is a piece of a module's memory, as it is when an instance starts.
type Piece struct {
	Address uint64
	Bytes   []byte
}

func (p Piece) end() uint64 { return p.Address + uint64(len(p.Bytes)) }

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
	sortPieces(segments)
	return joinPieces(segments), nil
}

func sortPieces(pieces []Piece) {
	slices.SortStableFunc(pieces, func(a, b Piece) int { return cmp.Compare(a.Address, b.Address) })
}

// joinPieces returns sorted pieces with those joined that lie at most maxGap apart. They
// share no memory with the old ones.
func joinPieces(sorted []Piece) []Piece {
	var joined []Piece
	for _, p := range sorted {
		if len(joined) > 0 {
			last := &joined[len(joined)-1]
			if end := last.end(); p.Address >= end && p.Address-end <= maxGap {
				last.Bytes = append(append(last.Bytes, make([]byte, p.Address-end)...), p.Bytes...)
				continue
			}
		}
		joined = append(joined, Piece{p.Address, slices.Clone(p.Bytes)})
	}
	return joined
}
