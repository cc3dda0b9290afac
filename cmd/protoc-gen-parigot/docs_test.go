package main

import (
	"flag"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the output and the code that docs show")

// shown is a block of a page that shows real output or code: a comment that says
// where it is from, and the block.
var shown = regexp.MustCompile("(?s)<!-- from: ([^\n]*) -->\n```[a-z]*\n(.*?)```\n")

// TestDocs compares what pages show with what the generator says, with the golden
// files, which are what it writes, and with guests that tests run.
func TestDocs(t *testing.T) {
	t.Parallel()
	for _, page := range []string{"generator.md", "guests.md", "plugins.md"} {
		t.Run(page, func(t *testing.T) {
			t.Parallel()
			comparePage(t, "../../docs/"+page)
		})
	}
}

func comparePage(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	matches := shown.FindAllStringSubmatchIndex(string(text), -1)
	require.Len(t, matches, strings.Count(string(text), "<!-- from: "), "a block does not look like one")
	require.NotEmpty(t, matches)
	var fresh strings.Builder
	end := 0
	for _, m := range matches {
		fresh.WriteString(string(text[end:m[4]]) + source(t, string(text[m[2]:m[3]])))
		end = m[5]
	}
	fresh.Write(text[end:])
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(fresh.String()), 0o600))
		return
	}
	require.Equal(t, fresh.String(), string(text), "if this is meant: go test ./cmd/protoc-gen-parigot -run TestDocs -update")
}

func usageParameters(t *testing.T) string {
	t.Helper()
	_, parameters, ok := strings.Cut(usage(), "separated by commas:\n")
	require.True(t, ok)
	return parameters
}

// source returns the text that a comment names:
//
//   - help: the parameters of the usage message
//   - error "parameter": what a run with that parameter says
//   - FILE: a file
//   - FILE "start": the declaration with that line, to its closing brace
//   - FILE "start" 2: that many of them
//   - FILE "start" to "end": the lines from one to before another
func source(t *testing.T, from string) string {
	t.Helper()
	name, rest, _ := strings.Cut(from, " ")
	switch name {
	case "help":
		return usageParameters(t)
	case "error":
		parameter, err := strconv.Unquote(rest)
		require.NoError(t, err)
		_, _, stderr := runWith(t, request(t, parameter))
		return stderr
	}
	text, err := os.ReadFile("../../" + name)
	require.NoError(t, err)
	if rest == "" {
		return string(text)
	}
	prefix, err := strconv.QuotedPrefix(rest)
	require.NoError(t, err)
	start, err := strconv.Unquote(prefix)
	require.NoError(t, err)
	lines := linesFrom(t, string(text), start)
	until := strings.TrimSpace(rest[len(prefix):])
	if quoted, ok := strings.CutPrefix(until, "to "); ok {
		last, err := strconv.Unquote(quoted)
		require.NoError(t, err)
		before := len(strings.Join(lines, "")) - len(strings.Join(linesFrom(t, strings.Join(lines, ""), last), ""))
		return strings.TrimSpace(strings.Join(lines, "")[:before]) + "\n"
	}
	count := 1
	if until != "" {
		count, err = strconv.Atoi(until)
		require.NoError(t, err)
	}
	return declarations(lines, count)
}

// linesFrom returns the lines of text from the one with the given start on.
func linesFrom(t *testing.T, text, start string) []string {
	t.Helper()
	lines := strings.SplitAfter(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, start) {
			return lines[i:]
		}
	}
	require.Fail(t, "no line starts with "+start)
	return nil
}

// declarations returns the lines up to the closing brace of the last of count
// declarations.
func declarations(lines []string, count int) string {
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(line)
		if strings.HasPrefix(line, "}") {
			if count--; count == 0 {
				break
			}
		}
	}
	return b.String()
}
