package wasm

import "encoding/binary"

// MergeData returns the body of a data section with fewer, larger segments that leave the
// same bytes in a memory of size bytes. Go's linker leaves out each short run of zeros, so
// that a guest has tens of thousands of segments. wazero keeps 24 bytes for each of them in
// each instance, and evaluates each offset at each start.
//
// The section comes back as it is if the merged one might behave differently: if a segment
// is passive, has a computed offset, overlaps another or does not fit into the memory, or if
// the section does not parse. The module must have no data count section, because
// instructions may name segments only if there is one. A section comes back as it is, too,
// if joining its segments takes more than twice its size, in zeros.
func MergeData(body []byte, size uint64) []byte {
	pieces, ok := activePieces(body, size)
	if !ok {
		return body
	}
	sortPieces(pieces)
	size = uint64(len(pieces[0].Bytes)) // of what is joined
	for i, next := range pieces[1:] {
		end := pieces[i].end()
		if end > next.Address {
			return body
		}
		size += uint64(len(next.Bytes))
		if gap := next.Address - end; gap <= maxGap {
			size += gap
		}
	}
	if size > 2*uint64(len(body)) {
		return body
	}
	joined := joinPieces(pieces)
	out := binary.AppendUvarint(make([]byte, 0, len(body)), uint64(len(joined)))
	for _, p := range joined {
		out = append(out, 0, 0x41) // active in memory 0; i32.const
		out = AppendSigned(out, int64(int32(uint32(p.Address))))
		out = append(out, 0x0b) // end
		out = binary.AppendUvarint(out, uint64(len(p.Bytes)))
		out = append(out, p.Bytes...)
	}
	return out
}

// activePieces reads a section in which all segments are active, have a constant offset and
// lie in a memory of size bytes. It leaves out empty segments.
func activePieces(body []byte, size uint64) (pieces []Piece, ok bool) {
	r := NewReader(body)
	for n := r.U32(); n > 0 && r.err == nil; n-- {
		if r.Byte() != 0 {
			return nil, false
		}
		p := Piece{Address: uint64(r.i32Const())}
		p.Bytes = r.Take(r.U32())
		if p.end() > size {
			return nil, false
		}
		if len(p.Bytes) > 0 {
			pieces = append(pieces, p)
		}
	}
	return pieces, len(pieces) > 0 && r.err == nil && len(r.rest) == 0
}
