package gen

import (
	"go/build"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// fileStem returns the start of the names of the files for a proto file, from
// its base name without ".proto". The name must not hide the files from the go
// command, or from some of its targets, as "foo_linux" or "_foo" would, nor be
// refused by it, as "-foo" is. Most names stay as they are.
func fileStem(base string) string {
	if strings.HasPrefix(base, "_") || strings.HasPrefix(base, ".") || refused(base) {
		base = "proto" + base
	}
	// The go command reads a file name up to its first dot.
	if first, _, ok := strings.Cut(base, "."); ok && constrained(first+".go") {
		base = strings.ReplaceAll(base, ".", "_")
	}
	return base
}

// constrained reports whether a file of ours must not have this name up to its
// first dot: the go command would build it only for some targets, or it would
// look like a test.
func constrained(name string) bool {
	stem, _, _ := strings.Cut(name, ".")
	return strings.HasSuffix(stem, "_test") || forSomeTargets(name)
}

// ignored reports whether the go command leaves a file of this name, which is
// no test, out of some builds or all.
func ignored(name string) bool {
	return strings.HasPrefix(name, "_") || strings.HasPrefix(name, ".") || forSomeTargets(name)
}

// refused reports whether the go command builds no package with a file of this
// name, because a tool could take the name for a flag, say.
func refused(name string) bool {
	first, _ := utf8.DecodeRuneInString(name)
	return name == "" || first < utf8.RuneSelf && !strings.ContainsRune("._", first) && !unicode.IsLetter(first) && !unicode.IsDigit(first)
}

// forSomeTargets reports whether the go command builds a file of this name
// only for some targets. It looks for their names before the first dot, while
// a test is what ends in _test.go.
func forSomeTargets(name string) bool {
	// A context of no known system or architecture fits a name exactly when
	// the name asks for none.
	none := build.Context{
		GOOS: "none", GOARCH: "none", Compiler: "gc",
		OpenFile: func(string) (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader("package p\n")), nil
		},
	}
	fits, err := none.MatchFile("dir", name)
	return err == nil && !fits
}
