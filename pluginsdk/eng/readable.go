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
// none, and those in frames are masked, see maskNames.
type readable struct{ error }

func (e readable) Unwrap() error { return e.error }

func (e readable) Error() string {
	text, frames := e.error.Error(), ""
	if at := strings.LastIndex(text, stackTrace); at >= 0 {
		text, frames = text[:at], text[at:]
	}
	return visible.Text(text) + visible.Lines(frames)
}

// The parts of the section "name" that stack traces are made of.
const (
	namesOfModule    = 0
	namesOfFunctions = 1
)

// maskNames returns a custom section in which no name of a function can pass for a line of an
// error, or move the cursor of a terminal. A section that does not parse is masked up to
// there: wazero reads no further.
func maskNames(body []byte) []byte {
	body = slices.Clone(body)
	r := wasm.NewReader(body)
	if r.Name() != "name" {
		return body
	}
	for r.More() {
		id := r.Byte()
		part := wasm.NewReader(r.Take(r.U32()))
		switch id {
		case namesOfModule:
			visible.Mask(part.Take(part.U32()))
		case namesOfFunctions:
			for n := part.U32(); n > 0 && part.Err() == nil; n-- {
				part.U32() // the function
				visible.Mask(part.Take(part.U32()))
			}
		}
	}
	return body
}
