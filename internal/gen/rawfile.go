package gen

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"google.golang.org/protobuf/compiler/protogen"
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

// field is a line of a composite literal, whose value does not go on.
var field = regexp.MustCompile(`^(\t+[A-Z][A-Za-z]*:) +(.*,)\n$`)

// finish returns a file of a template as gofmt would have it: with one of several empty lines,
// and with the values of adjacent fields below each other.
func finish(text []byte) string {
	var b strings.Builder
	b.Grow(len(text) + len(text)/16)
	var keys, values [][]byte
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
	empty := false // whether an empty line comes before the next one
	for line := range bytes.Lines(text) {
		if len(line) == 1 {
			flush()
			empty = b.Len() > 0
			continue
		}
		if empty {
			b.WriteByte('\n')
			empty = false
		}
		if line[0] == '\t' && bytes.HasSuffix(line, []byte(",\n")) {
			if parts := field.FindSubmatch(line); parts != nil {
				keys, values = append(keys, parts[1]), append(values, parts[2])
				continue
			}
		}
		flush()
		b.Write(line)
	}
	flush()
	return b.String()
}

// addFinished adds a file to the response. For protogen, which would keep a copy, its content is
// its name until the response has the name that protogen gives it.
func (g *generator) addFinished(name string, importPath protogen.GoImportPath, content string) {
	g.plugin.NewGeneratedFile(name+rawSuffix, importPath).P(name)
	g.finished[name] = content
}

// fillIn gives finished files their names and contents.
func (g *generator) fillIn(files []*pluginpb.CodeGeneratorResponse_File) {
	for _, file := range files {
		if name, ok := strings.CutSuffix(file.GetName(), rawSuffix); ok {
			content := g.finished[strings.TrimSuffix(file.GetContent(), "\n")]
			file.Name, file.Content = &name, &content
		}
	}
}
