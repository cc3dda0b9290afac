// Package block keeps the parts of a Markdown file that programs write.
package block

import (
	"bytes"
	"fmt"
	"os"
)

// Insert puts text between the two markers of name in a file: the lines
// "<!-- NAME: start -->" and "<!-- NAME: end -->". The rest of the file stays
// as it is.
func Insert(file, name, text string) error {
	start, end := markers(name)
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, ok := bytes.Cut(old, []byte(start))
	_, after, closed := bytes.Cut(rest, []byte(end))
	if !ok || !closed {
		return fmt.Errorf("%s has no markers %q and %q", file, start, end)
	}
	all := bytes.Join([][]byte{before, []byte(start), []byte(text), []byte(end), after}, nil)
	return os.WriteFile(file, all, 0o644) //nolint:gosec // documentation is for everyone to read
}

func markers(name string) (start, end string) {
	return "<!-- " + name + ": start -->\n", "<!-- " + name + ": end -->\n"
}
