package gen

import (
	doccomment "go/doc/comment"
	"strings"
	"unicode"

	"google.golang.org/protobuf/compiler/protogen"
)

// proseWidth is how wide the text of a comment gets that the generator itself
// writes.
const proseWidth = 76

// carried returns comments of a proto file as Go comment lines, each ending in
// a newline. Whatever they hold, the result is nothing but a comment: no line
// is a directive and no byte is one that the Go scanner refuses.
func carried(comments protogen.Comments) string {
	text := strings.TrimRight(string(comments), "\n")
	if strings.TrimSpace(text) == "" {
		return ""
	}
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
	var b strings.Builder
	for line := range strings.SplitSeq(text, "\n") {
		b.WriteString("//" + harmless(line) + "\n")
	}
	return b.String()
}

// detached returns detached comments, each a block of its own.
func detached(comments []protogen.Comments) string {
	var b strings.Builder
	for _, c := range comments {
		if text := carried(c); text != "" {
			b.WriteString(text + "\n")
		}
	}
	return b.String()
}

// harmless returns one line of a comment such that "//" before it makes a
// comment with no meaning to any tool.
func harmless(line string) string {
	line = strings.Map(printable, strings.ToValidUTF8(line, "\uFFFD"))
	line = strings.TrimRight(line, " \t")
	if line == "" {
		return ""
	}
	// A directive has no space after its slashes.
	if !strings.HasPrefix(line, " ") && !strings.HasPrefix(line, "\t") {
		line = " " + line
	}
	// Build constraints mean something, or make go vet complain, after a space
	// too.
	line = strings.ReplaceAll(line, "+build", "+ build")
	if rest, ok := strings.CutPrefix(strings.TrimLeft(line, " \t"), "go:build"); ok {
		return line[:len(line)-len(rest)-len("build")] + " build" + rest
	}
	return line
}

// printable maps what a Go comment cannot hold, or what an editor would break
// the line at, to something visible or to a space.
func printable(r rune) rune {
	switch {
	case r == '\t':
		return r
	case r == '\uFEFF' || r == 0:
		return '\uFFFD'
	case unicode.IsControl(r), r == '\u2028', r == '\u2029':
		return ' '
	}
	return r
}

// comment returns a doc comment: prose wrapped, then the comment carried from
// the proto file, then the deprecation unless that comment has its own, with an
// empty line between them.
func comment(prose, carried, deprecation string) string {
	if carried == "" && deprecation == "" {
		return wrap(prose) // one paragraph, which is as gofmt writes it
	}
	if saysDeprecated(carried) {
		deprecation = ""
	}
	var parts []string
	for _, part := range []string{wrap(prose), carried, wrap(deprecation)} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return formatted(withoutHeadings(strings.Join(parts, "//\n")))
}

// inside returns the lines of a comment as those of something inside a declaration,
// and the indentation of what follows.
func inside(lines string) string {
	return "\t" + strings.ReplaceAll(lines, "\n", "\n\t")
}

// formatted returns the lines of a doc comment as gofmt writes them.
func formatted(lines string) string {
	var text, b strings.Builder
	for line := range strings.Lines(lines) {
		text.WriteString(strings.TrimPrefix(strings.TrimPrefix(line, "//"), " "))
	}
	doc := new(doccomment.Parser).Parse(text.String())
	for line := range strings.Lines(string(new(doccomment.Printer).Comment(doc))) {
		if line != "\n" && line[0] != '\t' {
			line = " " + line
		}
		b.WriteString("//" + line)
	}
	return b.String()
}

// saysDeprecated reports whether comment lines have a paragraph by which tools
// know what is deprecated.
func saysDeprecated(lines string) bool {
	return strings.HasPrefix(lines, "// Deprecated: ") || strings.Contains(lines, "\n//\n// Deprecated: ")
}

// withoutHeadings returns the lines of a doc comment with a full stop behind each
// sentence that gofmt would make a heading of, because it stands alone and has
// none. A heading that is marked as one stays.
func withoutHeadings(lines string) string {
	all := strings.Split(lines, "\n")
	for i := 2; i+2 < len(all); i++ {
		if all[i-1] == "//" && all[i+1] == "//" && isHeading(all[i], all[i+2]) {
			all[i] += "."
		}
	}
	return strings.Join(all, "\n")
}

// isHeading reports whether gofmt takes a line that stands alone before next for
// a heading, although it is not marked as one.
func isHeading(line, next string) bool {
	line, next = strings.TrimPrefix(line, "//"), strings.TrimPrefix(next, "//")
	if line == "" || strings.HasPrefix(line, " #") {
		return false
	}
	text := "x\n\n" + strings.TrimPrefix(line, " ") + "\n\n" + strings.TrimPrefix(next, " ")
	for _, block := range new(doccomment.Parser).Parse(text).Content {
		if _, ok := block.(*doccomment.Heading); ok {
			return true
		}
	}
	return false
}

// commentOr returns a doc comment without the prose when the proto file has a
// comment.
func commentOr(prose, carried, deprecation string) string {
	if carried != "" {
		prose = ""
	}
	return comment(prose, carried, deprecation)
}

// wrap returns prose as comment lines of at most proseWidth characters, as far
// as its words allow.
func wrap(prose string) string {
	var b strings.Builder
	width := 0
	for _, word := range strings.Fields(prose) {
		n := len([]rune(word))
		switch {
		case width == 0:
			b.WriteString("// ")
		case width+1+n > proseWidth:
			b.WriteString("\n// ")
			width = 0
		default:
			b.WriteString(" ")
			width++
		}
		b.WriteString(word)
		width += n
	}
	if width > 0 {
		b.WriteString("\n")
	}
	return b.String()
}
