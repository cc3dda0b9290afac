// Package walk follows the pages of docs/ as a newcomer would: it does what they
// say, step by step.
package walk

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// step matches a marked code block: what to do with it, and its text.
var step = regexp.MustCompile("(?s)<!-- walk: (.*?) -->\n```[a-z]+\n(.*?)```\n")

type walker struct {
	t      *testing.T
	dir    string   // where commands run
	env    []string // what they get beside the environment
	output string   // of the last command
}

// TestNewPluginPage makes a project in an empty directory, with parigot new and by hand.
// What the page takes from elsewhere, it gets from this repository: the module, and buf.
func TestNewPluginPage(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	bin := t.TempDir()
	buf := "#!/bin/sh\nexec \"$(cd '" + root + "' && CGO_ENABLED=0 go tool -modfile=tools/go.mod -n buf)\" \"$@\"\n"
	require.NoError(t, os.WriteFile(filepath.Join(bin, "buf"), []byte(buf), 0o700))
	w := &walker{t: t, dir: t.TempDir(), env: []string{"GOBIN=" + bin, "PATH=" + bin + string(os.PathListSeparator) + os.Getenv("PATH")}}
	w.env = append(w.env, publish(t, w)...)
	w.walk("../../docs/new-plugin.md")
	w.lintsOwnFiles()
	w.loadsElsewhere(filepath.Join(w.dir, "hello"))
}

// walk follows a page.
func (w *walker) walk(page string) {
	text, err := os.ReadFile(page)
	require.NoError(w.t, err)
	steps := step.FindAllStringSubmatch(string(text), -1)
	require.Len(w.t, steps, strings.Count(string(text), "<!-- walk:"), "a mark without a code block")
	for _, s := range steps {
		w.follow(s[1], s[2])
	}
}

// lintsOwnFiles: with Parigot's options in third_party, as the page says, buf finds nothing in
// that folder, and nothing at all in what parigot new writes.
func (w *walker) lintsOwnFiles() {
	w.run("buf lint || true")
	require.NotContains(w.t, w.output, "third_party")
	w.edit("hello/buf.yaml", "  - path: proto\n", "  - path: proto\n  - path: third_party\n")
	w.run("cp -r third_party hello/ && cd hello && buf lint")
}

func (w *walker) follow(what, text string) {
	w.t.Log(what)
	words := strings.Fields(what)
	switch {
	case what == "run":
		w.run(text)
	case what == "expect in the output":
		require.Contains(w.t, w.output, text)
	case words[0] == "write":
		w.write(words[1], text)
	case words[0] == "expect":
		require.Contains(w.t, w.read(words[2]), text)
	case words[0] == "replace":
		old := quoted(w.t, what)
		w.edit(words[2], old, text)
	case strings.HasSuffix(what, " at the end"):
		w.write(words[1], w.read(words[1])+text)
	case words[2] == "before":
		w.edit(words[1], quoted(w.t, what), text+quoted(w.t, what))
	case words[2] == "after":
		w.edit(words[1], quoted(w.t, what), quoted(w.t, what)+text)
	default:
		require.Fail(w.t, "the page asks for something unknown", what)
	}
}

// quoted returns the Go string in what.
func quoted(t *testing.T, what string) string {
	t.Helper()
	_, text, _ := strings.Cut(what, " \"")
	s, err := strconv.Unquote(`"` + text)
	require.NoError(t, err, what)
	return s
}

func (w *walker) edit(file, old, replacement string) {
	before := w.read(file)
	require.Equal(w.t, 1, strings.Count(before, old), "%s has %q once", file, old)
	w.write(file, strings.Replace(before, old, replacement, 1))
}

func (w *walker) read(file string) string {
	b, err := os.ReadFile(filepath.Join(w.dir, file))
	require.NoError(w.t, err)
	return string(b)
}

func (w *walker) write(file, text string) {
	require.NoError(w.t, os.MkdirAll(filepath.Dir(filepath.Join(w.dir, file)), 0o750))
	require.NoError(w.t, os.WriteFile(filepath.Join(w.dir, file), []byte(text), 0o600))
}

func (w *walker) run(command string) {
	cmd := exec.CommandContext(w.t.Context(), "sh", "-e", "-c", command)
	cmd.Dir = w.dir
	cmd.Env = append(os.Environ(), w.env...)
	out, err := cmd.CombinedOutput()
	w.output = string(out)
	require.NoError(w.t, err, w.output)
}
