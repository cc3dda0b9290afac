package gen_test

import (
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var lossTime = flag.Duration("loss.time", 40*time.Second, "how long TestNothingIsLost draws trees, up to -rapid.checks of them")

// TestNothingIsLost runs buf and protoc over random trees of files that people wrote,
// with random templates and command lines, twice: every byte that was there is there,
// or the run failed and nothing changed, but for what the docs say is left. Without
// protoc, buf runs alone.
func TestNothingIsLost(t *testing.T) {
	t.Parallel()
	tools, base := lossTools(t), filepath.Join(t.TempDir(), "base")
	end := time.Now().Add(*lossTime)
	var runs, written int
	var failed bool
	rapid.Check(t, func(t *rapid.T) {
		if !failed && time.Now().After(end) {
			return
		}
		failed = true // unless this one gets to its end
		require.NoError(t, os.RemoveAll(base))
		w := &lossWorld{T: t, base: base, tools: tools}
		w.hand()
		for n := range 2 {
			w.proto(n)
			said, err := w.compile()
			before, after := w.before, w.files()
			runs++
			if err != nil {
				require.Equal(t, before, after, "the run failed, and changed something:\n%s", said)
				continue
			}
			if len(after) > len(before) {
				written++
			}
			for _, name := range slices.Sorted(maps.Keys(before)) {
				text := before[name]
				require.Contains(t, after, name, said)
				if w.isLeft(name, text) {
					continue
				}
				require.True(t, keeps(text, after[name]), "%s was\n%s\nand is\n%s\n%s", name, text, after[name], said)
			}
			w.edit(before, after)
		}
		failed = false
	})
	t.Logf("%d runs, %d of which wrote files", runs, written)
	require.Positive(t, written, "no run wrote anything")
}

// isLeft reports whether a file may be replaced: it is in a folder that is not looked
// at, or beside the module and does not implement the service.
func (w *lossWorld) isLeft(name, text string) bool {
	if !strings.HasPrefix(name, "mod/") {
		return !strings.HasSuffix(name, "/plugin/main.go") && !strings.HasSuffix(name, "/guest/main.go") && !strings.Contains(text, `"`+w.goPackage+`/queuev1parigot"`)
	}
	return strings.HasPrefix(name, "mod/vendor/") || strings.HasPrefix(name, "mod/_old/")
}

// keeps reports whether all lines of a file are still there, in their order.
func keeps(before, after string) bool {
	if before == after {
		return true
	}
	lines := slices.Collect(strings.Lines(after))
	for line := range strings.Lines(before) {
		n := slices.IndexFunc(lines, func(s string) bool { return strings.TrimSuffix(s, "\n") == strings.TrimSuffix(line, "\n") })
		if n < 0 {
			return false
		}
		lines = lines[n+1:]
	}
	return before != ""
}

// lossTools are the paths of the programs that run, buf and the plugin, and protoc if it
// is installed.
func lossTools(t *testing.T) map[string]string {
	plugin := filepath.Join(t.TempDir(), "protoc-gen-parigot")
	command(t, "../..", "go", "build", "-o", plugin, "./cmd/protoc-gen-parigot")
	tools := map[string]string{
		"plugin": plugin,
		"buf":    command(t, "../..", "env", "CGO_ENABLED=0", "go", "tool", "-modfile=tools/go.mod", "-n", "buf"),
	}
	if protoc, err := exec.LookPath("protoc"); err == nil {
		tools["protoc"] = protoc
	}
	return tools
}

// lossWorld is a module, mod, with a folder other beside it.
type lossWorld struct {
	*rapid.T
	base   string
	tools  map[string]string
	before map[string]string // the last run

	goPackage string // of the service
}

func (w *lossWorld) pick(label string, of ...string) string {
	return rapid.SampledFrom(of).Draw(w.T, label)
}

func (w *lossWorld) flip(label string) bool { return rapid.Bool().Draw(w.T, label) }

func (w *lossWorld) write(name, text string) {
	name = filepath.Join(w.base, name)
	require.NoError(w, os.MkdirAll(filepath.Dir(name), 0o755))
	require.NoError(w, os.WriteFile(name, []byte(text), 0o600))
}

// hand writes the files that people wrote, some of them beside the module.
func (w *lossWorld) hand() {
	w.write("mod/go.mod", "module ex.com/app\n")
	folders := []string{"mod", "mod/up", "mod/internal/up", "mod/internal/upp", "mod/sub", "mod/sub/up", "mod/sub/internal/up", "mod/build/internal/up", "mod/vendor/up", "mod/_old/up", "mod/up/plugin", "mod/internal/up/plugin", "mod/up/guest", "mod/internal/up/guest", "other", "other/up", "other/up/plugin", "other/up/guest", "other/internal/up"}
	for n := range rapid.IntRange(0, 6).Draw(w.T, "files") {
		folder := w.pick("folder", folders...)
		name := w.pick("name", "impl_queue.go", "impl_queue.go", "Impl_Queue.go", "mine.go", "main.go", "queue_test.go", "README.md")
		w.write(folder+"/"+name, w.handwritten(n))
	}
}

func (w *lossWorld) handwritten(n int) string {
	clause := w.pick("package", "package up", "package upp", "package queue", "package main", "//go:build ignore\n\npackage up", "//go:build ignore\n\npackage main")
	mine := fmt.Sprintf("// mine %d\n", n)
	switch w.pick("content", "implementation", "implementation", "type", "package", "broken", "empty") {
	case "implementation":
		return clause + strings.TrimPrefix(written, "package queue") + mine
	case "type":
		return clause + "\n\ntype " + w.pick("type", "QueuePlugin", "QueueImpl") + " struct{}\n" + mine
	case "package":
		return clause + "\n" + mine
	case "broken":
		return clause + "\n\nfunc (\n" + mine
	}
	return ""
}

// proto writes the proto files of a run.
func (w *lossWorld) proto(run int) {
	methods := []string{"Send", "Receive", "Purge"}[:run+1+rapid.IntRange(0, 1).Draw(w.T, "methods")]
	path := w.pick("go_package", "ex.com/gen/queue/v1;queuev1", "ex.com/gen/queue/v1;queuev1", "ex.com/api/queue/v1;queuev1")
	w.goPackage, _, _ = strings.Cut(path, ";")
	for _, dir := range []string{"mod", "mod/sub"} {
		w.write(dir+"/proto/queue/v1/queue.proto", service("queue.v1", path, "Queue", methods...))
		w.write(dir+"/more/topic/v1/topic.proto", service("topic.v1", "ex.com/gen/topic/v1;topicv1", "Topic", methods...))
	}
}

// compile runs buf or protoc in one way or another.
func (w *lossWorld) compile() (string, error) {
	dir := w.pick("working directory", "mod", "mod", "mod/sub")
	impl := w.pick("impl", "up", "internal/up", "internal/upp", ".")
	out := w.pick("out", ".", ".", ".", impl, "up", "internal/upp", "sub", "../up", "../other", filepath.Join(w.base, "mod/internal/up"))
	opt := w.pick("parameter", "impl=", "impl=", "guest_impl=", "guest_impl=", "guest_impl=guests,impl=", "impl=plugins,guest_impl=") + impl
	if strings.Count(opt, "=") == 1 {
		opt += w.pick("impl_package", "", "", ",impl_package=queue", ",impl_package=main")
	}
	if w.tools["protoc"] != "" && w.flip("protoc") {
		require.NoError(w, os.MkdirAll(filepath.Join(w.base, dir, w.below(dir, out)), 0o755))
		return w.run(dir, w.tools["protoc"], "--plugin="+w.tools["plugin"], "--parigot_out="+out, "--parigot_opt="+opt, "-Iproto", "queue/v1/queue.proto")
	}
	args := []string{"generate"}
	cleans := w.pick("clean", "", "", "template", "flag")
	template := w.template(out, opt, cleans == "template")
	if cleans == "flag" {
		args = append(args, "--clean")
	}
	if cleans == "" { // what -o names is cleaned, whatever a plugin says
		if base := w.pick("-o", "", "", "", ".", "sub", "build", "vendor", "_old", "../other"); base != "" {
			args = append(args, "-o", base)
		}
	}
	switch name := w.pick("template", "buf.gen.yaml", "buf.gen.yaml", "other.gen.yaml", "conf/gen.yml", ""); name {
	case "":
		args = append(args, "--template", template)
	case "buf.gen.yaml":
		w.write(dir+"/"+name, template)
	default:
		w.write(dir+"/"+name, template)
		args = append(args, "--template", name)
	}
	return w.run(dir, w.tools["buf"], args...)
}

// below returns where an output directory is, seen from dir.
func (w *lossWorld) below(dir, out string) string {
	if !filepath.IsAbs(out) {
		return out
	}
	rel, err := filepath.Rel(filepath.Join(w.base, dir), out)
	require.NoError(w, err)
	return rel
}

func (w *lossWorld) template(out, opt string, cleans bool) string {
	inputs := `{"directory":"proto"}`
	if w.pick("inputs", "1", "1", "1", "2") == "2" {
		inputs += `,{"directory":"more"}`
	}
	entry := fmt.Sprintf(`{"local":%q,"out":%q,"opt":[%q],"strategy":%q}`, w.tools["plugin"], out, opt, w.pick("strategy", "all", "all", "all", "directory"))
	if w.flip("generate") {
		entry = fmt.Sprintf(`{"local":%q,"out":"gen"},`, w.tools["plugin"]) + entry
	}
	return fmt.Sprintf(`{"version":"v2","clean":%t,"inputs":[%s],"plugins":[%s]}`, cleans, inputs, entry)
}

func (w *lossWorld) run(dir, name string, args ...string) (string, error) {
	run := exec.Command(name, args...)
	run.Dir = filepath.Join(w.base, dir)
	w.before = w.files()
	said, err := run.CombinedOutput()
	text := fmt.Sprintf("in %s: %s %s\n%s", dir, filepath.Base(name), strings.Join(args, " "), said)
	w.Log(text)
	return text, err
}

// files returns all files but those that the plugin makes anew each time.
func (w *lossWorld) files() map[string]string {
	all := make(map[string]string)
	require.NoError(w, filepath.WalkDir(w.base, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(name, ".pb.go") {
			return err
		}
		text, err := os.ReadFile(name)
		rel, _ := filepath.Rel(w.base, name)
		all[rel] = string(text)
		return err
	}))
	return all
}

// edit makes what was generated somebody's work.
func (w *lossWorld) edit(before, after map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if _, ok := before[name]; !ok {
			w.write(name, after[name]+"\n// mine, from now on\n")
			if w.flip("beside") {
				w.write(filepath.Dir(name)+"/beside.txt", "mine")
			}
		}
	}
}
