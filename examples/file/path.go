//go:build !wasip1

package file

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	filev1 "github.com/iansmith/parigot/examples/file/gen/file/v1"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// The rules for paths, as the service documents them.
const (
	guestRoot      = "/parigot/app/"
	maxParts       = 20
	guestRootParts = 2 // "parigot" and "app" count
	maxPartBytes   = 255
	maxPathBytes   = maxParts * (1 + maxPartBytes)

	// forbiddenBytes mean something to shells, to which a host's operator may
	// well hand these names. Two of them separate parts on Windows hosts.
	forbiddenBytes = "*?><|&;$\\\"'`"
)

// checkPath returns the name, below the root, of the file that a guest calls
// path: slashes between its parts, none at either end. Its error says which rule
// path breaks without repeating path, which may be long and is not yet known to
// be text.
func checkPath(path string) (string, error) {
	// The length comes first, so that a path of many megabytes costs nothing.
	if len(path) > maxPathBytes {
		return "", invalidPath("the path is longer than %d bytes", maxPathBytes)
	}
	if !utf8.ValidString(path) {
		return "", invalidPath("the path is not valid UTF-8")
	}
	name, ok := strings.CutPrefix(path, guestRoot)
	if !ok {
		return "", invalidPath("the path does not start with %s", guestRoot)
	}
	parts := strings.Split(name, "/")
	if len(parts) > maxParts-guestRootParts {
		return "", invalidPath("the path has more than %d parts", maxParts)
	}
	for i, part := range parts {
		if fault := partFault(part); fault != "" {
			return "", invalidPath("part %d of the path %s", i+1+guestRootParts, fault)
		}
	}
	return name, nil
}

// partFault completes the sentence "the part …" with the rule that part breaks.
// It returns "" for a part that breaks none.
func partFault(part string) string {
	switch {
	case part == "":
		return "is empty"
	case part == "." || part == "..":
		return "is " + part
	case len(part) > maxPartBytes:
		return fmt.Sprintf("is longer than %d bytes", maxPartBytes)
	case strings.ContainsAny(part, forbiddenBytes):
		return "holds one of * ? > < | & ; $ \\ \" ' `"
	case strings.ContainsFunc(part, unicode.IsControl):
		return "holds a control character"
	}
	return ""
}

func invalidPath(format string, args ...any) error {
	return status.Errorf(filev1.FileErr_InvalidPathError, format, args...)
}
