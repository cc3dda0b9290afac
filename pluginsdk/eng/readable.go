package eng

import (
	"slices"
	"strings"

	"github.com/iansmith/parigot/internal/visible"
	"github.com/iansmith/parigot/internal/wasm"
)

// stackTrace is what comes before the frames in an error of wazero, one a line.
const stackTrace = "\nwasm stack trace:\n\t"

// readable is an error of wazero without lines that a guest wrote: names that it quotes have
// none, and those in frames are masked, see safeNames.
type readable struct{ error }

func (e readable) Unwrap() error { return e.error }

func (e readable) Error() string {
	text, frames := e.error.Error(), ""
	if at := strings.LastIndex(text, stackTrace); at >= 0 {
		text, frames = text[:at], text[at:]
	}
	return visible.Text(text) + visible.Lines(frames)
}

// maxFunctionName bounds the name of a function in stack traces, in bytes. A longer one is cut.
const maxFunctionName = 256

// safeNames returns the body of a section of names with those of functions, cut to
// maxFunctionName bytes, which cannot pass for a line of an error or move the cursor of a
// terminal. wazero would join the module's name with that of each function and keep it,
// and it would look for the names of variables in all of them, for each function. Nobody
// reads either.
func safeNames(content []byte) []byte {
	return wasm.NameSectionOf(func(yield func(uint32, []byte) bool) {
		for f, name := range wasm.FunctionNames(content) {
			name = slices.Clone(name[:min(len(name), maxFunctionName)])
			visible.Mask(name)
			if !yield(f, name) {
				return
			}
		}
	})
}
