package fuel

import (
	"encoding/binary"
	"strings"

	"github.com/iansmith/parigot/internal/wasm"
)

// rewriteCustom returns a custom section as it has to be. The names of functions move
// with the functions. What tells debuggers where in the source an instruction comes
// from is dropped.
func (m *meter) rewriteCustom(body []byte) (out []byte, keep bool, err error) {
	r := wasm.NewReader(body)
	name := string(r.Take(r.U32()))
	switch {
	case r.Err() != nil:
		return nil, false, r.Err()
	case name == "name":
		out = append(out, body[:len(body)-len(r.Rest())]...)
		out = m.rewriteNames(out, &r)
		return out, true, r.Err()
	default:
		return body, !strings.HasPrefix(name, ".debug_") && name != "sourceMappingURL", nil
	}
}

// Parts of the section with names, of which wazero reads these.
const (
	namesModule    = 0
	namesFunctions = 1
	namesLocals    = 2
)

func (m *meter) rewriteNames(out []byte, r *wasm.Reader) []byte {
	for r.More() {
		id := r.Byte()
		part := wasm.NewReader(r.Take(r.U32()))
		var names []byte
		switch id {
		case namesModule:
			names = part.Take(uint32(len(part.Rest())))
		case namesFunctions, namesLocals:
			names = m.moveNames(&part, id)
		default:
			continue
		}
		if part.More() {
			part.Fail("it goes on behind its end")
		}
		if part.Err() != nil {
			r.Fail("names: %w", part.Err())
			return nil
		}
		out = append(out, id)
		out = binary.AppendUvarint(out, uint64(len(names)))
		out = append(out, names...)
	}
	return out
}

// moveNames copies the names of functions, or those of the local variables of each.
func (m *meter) moveNames(r *wasm.Reader, id byte) []byte {
	n := r.U32()
	out := binary.AppendUvarint(make([]byte, 0, len(r.Rest())+8), uint64(n))
	for ; n > 0 && r.Err() == nil; n-- {
		f := r.U32()
		if uint64(f) < uint64(len(m.functions)) && f >= m.imports {
			f++ // one import more is there
		}
		out = binary.AppendUvarint(out, uint64(f))
		if id == namesFunctions {
			out = appendName(out, string(r.Take(r.U32())))
			continue
		}
		locals := r.U32()
		out = binary.AppendUvarint(out, uint64(locals))
		for ; locals > 0 && r.Err() == nil; locals-- {
			out = binary.AppendUvarint(out, uint64(r.U32()))
			out = appendName(out, string(r.Take(r.U32())))
		}
	}
	return out
}
