package fuel

import (
	"iter"
	"strings"

	"github.com/iansmith/parigot/internal/wasm"
)

// rewriteCustom returns a custom section as it has to be. The names of functions move
// with the functions, other names are
// dropped, and a second section of names. What tells debuggers where in the source an
// instruction comes from is dropped, too.
func (m *meter) rewriteCustom(s wasm.Section) (body []byte, keep bool) {
	if s.Name == wasm.NameSection {
		if m.named {
			return nil, false
		}
		m.named = true
		return wasm.NameSectionOf(m.movedNames(s.Content)), true
	}
	return s.Body, !strings.HasPrefix(s.Name, ".debug_") && s.Name != "sourceMappingURL"
}

// movedNames yields the names of the functions that there are.
func (m *meter) movedNames(content []byte) iter.Seq2[uint32, []byte] {
	return func(yield func(uint32, []byte) bool) {
		for f, name := range wasm.FunctionNames(content) {
			if uint64(f) >= uint64(len(m.functions)) {
				return
			}
			if f >= m.imports {
				f++ // one import more is there
			}
			if !yield(f, name) {
				return
			}
		}
	}
}
