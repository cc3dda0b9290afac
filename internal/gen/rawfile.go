package gen

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"google.golang.org/protobuf/types/pluginpb"
)

// To parse and print a file, only to sort its imports and align its columns,
// takes protogen as long as all the rest. The comments in the files for the host and
// for guests are as gofmt wants them already, so the files are finished here, and the
// golden files prove that gofmt would change nothing.

// rawSuffix keeps protogen from parsing a file. It is not in the response.
const rawSuffix = ".raw"

// canFinish reports whether a file may be finished here.
func (g *generator) canFinish(file *outputFile, tmpl string) bool {
	// A file name with a space could make a line of a comment a list.
	return tmpl != sharedTemplate && !strings.ContainsFunc(file.Source, unicode.IsSpace) &&
		!strings.Contains(g.plugin.Request.GetParameter(), "annotate_code")
}

// finish returns a file of a template as gofmt would have it.
func finish(text []byte) []byte {
	return append(bytes.TrimSpace(align(oneEmptyLine(text))), '\n')
}

// oneEmptyLine leaves one of several empty lines.
func oneEmptyLine(text []byte) []byte {
	for bytes.Contains(text, []byte("\n\n\n")) {
		text = bytes.ReplaceAll(text, []byte("\n\n\n"), []byte("\n\n"))
	}
	return text
}

// field is a line of a composite literal, whose value does not go on.
var field = regexp.MustCompile(`^(\t+[A-Z][A-Za-z]*:) +(.*,)\n$`)

// align puts the values of adjacent fields below each other.
func align(text []byte) []byte {
	var b bytes.Buffer
	b.Grow(len(text) + len(text)/16)
	var keys, values []string
	flush := func() {
		width := 0
		for _, key := range keys {
			width = max(width, len(key))
		}
		for i, key := range keys {
			_, _ = fmt.Fprintf(&b, "%-*s %s\n", width, key, values[i])
		}
		keys, values = keys[:0], values[:0]
	}
	for line := range bytes.Lines(text) {
		if line[0] == '\t' {
			if parts := field.FindSubmatch(line); parts != nil {
				keys, values = append(keys, string(parts[1])), append(values, string(parts[2]))
				continue
			}
		}
		flush()
		b.Write(line)
	}
	flush()
	return b.Bytes()
}

// renameRaw takes the suffix off the names that kept protogen from parsing.
func renameRaw(files []*pluginpb.CodeGeneratorResponse_File) {
	for _, file := range files {
		if name, ok := strings.CutSuffix(file.GetName(), rawSuffix); ok {
			*file.Name = name
		}
	}
}
