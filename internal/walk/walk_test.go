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

// TestNewPluginPage makes projects beside a copy of this repository, with parigot new and by hand.
// What the page takes from elsewhere, it gets from this repository: buf.
func TestNewPluginPage(t *testing.T) {
	t.Parallel()
	w := newWalker(t)
	base := t.TempDir()
	checkout := filepath.Join(base, "parigot")
	require.NoError(t, os.Rename(copyRepository(t), checkout))
	intro, rest, found := strings.Cut(read(t, "../../docs/new-plugin.md"), "## 1. A module\n")
	require.True(t, found)
	w.dir = checkout
	w.steps(intro)
	w.dir = filepath.Join(base, "hello")
	w.loads()
	w.dir = filepath.Join(base, "greet")
	require.NoError(t, os.Mkdir(w.dir, 0o700))
	w.steps(rest)
	w.lintsOwnFiles()
}

// TestReleased makes a project with a release of this module. Its Go plugin loads in a host of the
// project, and in the program parigot of that release, which built it.
func TestReleased(t *testing.T) {
	t.Parallel()
	w := newWalker(t)
	w.env = append(w.env, publish(t, w)...)
	require.Contains(t, read(t, "../../docs/new-plugin.md"), "\ngo install github.com/iansmith/parigot/cmd/parigot@latest\n")
	w.run("go install github.com/iansmith/parigot/cmd/parigot@latest\nparigot version")
	require.Contains(t, w.output, "parigot v0.1.0-walk")
	w.run("parigot new hello\ncd hello\nmake build tidy")
	w.dir = filepath.Join(w.dir, "hello")
	require.NotContains(t, w.read("go.mod"), "replace")
	require.NoFileExists(t, filepath.Join(w.dir, "go.work"))
	w.loads()
}

// newWalker returns one in an empty directory, with buf and a folder for programs on its PATH.
func newWalker(t *testing.T) *walker {
	t.Helper()
	root, err := filepath.Abs(root)
	require.NoError(t, err)
	bin := t.TempDir()
	buf := "#!/bin/sh\nexec \"$(cd '" + root + "' && CGO_ENABLED=0 go tool -modfile=tools/go.mod -n buf)\" \"$@\"\n"
	require.NoError(t, os.WriteFile(filepath.Join(bin, "buf"), []byte(buf), 0o700))
	return &walker{t: t, dir: t.TempDir(), env: []string{"GOBIN=" + bin, "PATH=" + bin + string(os.PathListSeparator) + os.Getenv("PATH")}}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	return string(text)
}

// walk follows a page.
func (w *walker) walk(page string) { w.steps(read(w.t, page)) }

// steps follows a part of a page.
func (w *walker) steps(text string) {
	steps := step.FindAllStringSubmatch(text, -1)
	require.Len(w.t, steps, strings.Count(text, "<!-- walk:"), "a mark without a code block")
	for _, s := range steps {
		w.follow(s[1], s[2])
	}
}

// lintsOwnFiles: with Parigot's options in third_party, as the page says, buf finds nothing in
// that folder, and nothing at all in what parigot new writes.
func (w *walker) lintsOwnFiles() {
	w.run("buf lint || true")
	require.NotContains(w.t, w.output, "third_party")
	w.edit("../hello/buf.yaml", "  - path: proto\n", "  - path: proto\n  - path: third_party\n")
	w.run("cp -r third_party ../hello/ && cd ../hello && buf lint")
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
	return read(w.t, filepath.Join(w.dir, file))
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
