// Package visible makes texts safe to print that others wrote, such as a guest: what would do
// more than be seen, on a terminal or to the lines around it, is escaped.
package visible

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Text returns a text of one line: also the ends of lines in it are escaped. Tabs stay.
func Text(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if strings.IndexFunc(text, active) < 0 {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if active(r) {
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// Lines is Text for a text of several lines, whose ends must be trusted.
func Lines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = Text(line)
	}
	return strings.Join(lines, "\n")
}

// JSON returns encoded JSON that means the same. Its encoder has escaped control characters
// below U+0020, and not the others that Text escapes.
func JSON(p []byte) []byte {
	if !hasActive(p) {
		return p
	}
	out := make([]byte, 0, len(p)+64)
	for len(p) > 0 {
		r, size := utf8.DecodeRune(p)
		switch {
		case r == '\n' || !active(r):
			out = append(out, p[:size]...)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		p = p[size:]
	}
	return out
}

func hasActive(p []byte) bool {
	for len(p) > 0 {
		if p[0] < 0x7f { // its encoder has seen to these
			p = p[1:]
			continue
		}
		r, size := utf8.DecodeRune(p)
		if active(r) {
			return true
		}
		p = p[size:]
	}
	return false
}

// Mask overwrites a name in place: each byte of a character that Text would escape becomes a
// question mark.
func Mask(name []byte) {
	for at := 0; at < len(name); {
		r, size := utf8.DecodeRune(name[at:])
		if active(r) || r == utf8.RuneError && size == 1 {
			for i := range size {
				name[at+i] = '?'
			}
		}
		at += size
	}
}

func active(r rune) bool { return r != '\t' && !strconv.IsGraphic(r) }
