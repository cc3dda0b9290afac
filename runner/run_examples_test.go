package runner

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/internal/preflight"
)

// exampleEnds is what the main guest of each example prints last.
var exampleEnds = map[string]string{
	"file":  "12. deleted  the file and its directory\n",
	"queue": "lost     none: all 10000 are done, and the queue is empty\n",
	"syscall": `  hello: asks for greetings in 5 languages at once
  hello: en: Hello, Ada!
  hello: fr: Bonjour, Ada!
  hello: de: Guten Tag, Ada!
  hello: es: Buenos días, Ada!
  hello: it: Buongiorno, Ada!
  hello: tlh: UnknownLanguageError: nobody here speaks "tlh"
  hello: asks all guests to end
`,
}

// TestExamples: the deployment files of the examples run in each placement; where the plugin
// is placed is two lines.
func TestExamples(t *testing.T) {
	t.Parallel()
	for name, guests := range map[string][]string{"file": {""}, "queue": {""}, "syscall": {"/greeting", "/hello"}} {
		text, err := os.ReadFile("../examples/" + name + "/parigot.yaml")
		require.NoError(t, err)
		files := make(map[string]string)
		for _, g := range guests {
			files[strings.TrimPrefix(cmp.Or(g, "/"+name), "/")+"-guest.wasm"] = "../examples/" + name + "/guest" + g
		}
		for placement, place := range map[string]func(t *testing.T, name string) string{
			"static": nil, "so": examplePlugin, "process": exampleProgram,
		} {
			t.Run(name+" "+placement, func(t *testing.T) {
				t.Parallel()
				where := "\n    placement: " + placement
				if place != nil {
					where += "\n    path: " + place(t, name)
				}
				deployment := strings.NewReplacer(
					"- name: "+name+"\n", "- name: "+name+where+"\n",
					"root: build/files", "root: "+t.TempDir(),
					"build/queues/queues.db", `":memory:"`,
					"engine:\n  cache_dir: ../../build/cache\n", "", // startRun has its own
					"../../build/", "",
				).Replace(string(text))
				r := startRun(t, deployment, files, "--raw")
				code, log := r.ended()
				if err := preflight.Supported(); placement == "so" && err != nil {
					require.Equal(t, exitFailed, code, log)
					require.Contains(t, log, err.Error())
					return
				}
				require.Equal(t, exitOK, code, log)
				require.True(t, strings.HasSuffix(r.stdout.String(), exampleEnds[name]), r.stdout.String())
				require.NotContains(t, log, " ERROR ")
			})
		}
	}
}

// exampleProgram is the program of an example plugin: TestMain tells by its name which it is.
func exampleProgram(t *testing.T, name string) string {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	program := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.Symlink(self, program))
	return program
}

// examplePlugin builds an example plugin to be loaded. A program that cannot load any does
// not build any, and needs some file only.
func examplePlugin(t *testing.T, name string) string {
	t.Helper()
	if preflight.Supported() != nil {
		return exampleProgram(t, name)
	}
	so := filepath.Join(t.TempDir(), name+".so")
	code, _, stderr := parigot(t, "plugin", "build", "-o", so, "../examples/"+name+"/plugin")
	require.Equal(t, exitOK, code, stderr)
	return so
}
