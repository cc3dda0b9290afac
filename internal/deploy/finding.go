package deploy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/iansmith/parigot/internal/visible"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// Finding is one thing that is wrong with a deployment, at the place in its file that
// says so.
type Finding struct {
	// File is the deployment file, as it was named to [Load].
	File string `json:"file"`
	// Line and Column count from 1, Column in characters. They are 0 when the file cannot
	// be read at all. When only the line is known, Column is 1.
	Line   int `json:"line"`
	Column int `json:"column"`
	// Field is the path of the field, such as "guests[0].wasm"; "" is the whole file.
	Field string `json:"field"`
	// Message says what is wrong, and may have several lines.
	Message string `json:"message"`
}

// String returns the finding as compilers write them: file:line:column: field: message.
func (f Finding) String() string {
	var b strings.Builder
	b.WriteString(visible.Text(f.File))
	if f.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", f.Line, f.Column)
	}
	b.WriteString(": ")
	if f.Field != "" {
		b.WriteString(visible.Text(f.Field) + ": ")
	}
	b.WriteString(f.Message)
	return b.String()
}

// Error is the error of a deployment that cannot run: all that was found, in the order of
// the file, and at most 100 of it. Its code is FAILED_PRECONDITION.
type Error struct{ Findings []Finding }

// Error returns the findings, each on a line of its own.
func (e *Error) Error() string {
	lines := make([]string, len(e.Findings))
	for i, f := range e.Findings {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the same with its code, for package status.
func (e *Error) Unwrap() error { return status.Error(status.FailedPrecondition, e.Error()) }

// asError returns the findings, sorted, as an error; nil when there are none.
func asError(found []Finding) error {
	if len(found) == 0 {
		return nil
	}
	slices.SortStableFunc(found, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return &Error{slices.Compact(found)}
}
