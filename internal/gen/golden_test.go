package gen_test

import (
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/pluginpb"

	"github.com/iansmith/parigot/internal/gen"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// testdataPath is the import path of the golden directories' parent.
const testdataPath = "github.com/iansmith/parigot/internal/gen/testdata"

// TestGolden generates each directory of testdata that has a file "params" and
// compares what comes out with what is there:
//
//   - params: each line is one run with these plugin parameters, where $MODULE
//     stands for the import path of testdata. A line "key: value" is a setting
//     of the case, see goldenCase.
//   - **/*.proto: what is compiled and generated.
//   - before/*.go.txt: the files that are in the directory of impl= or guest_impl= already.
//   - **/*.go: the files that come out, with those of protoc-gen-go.
//   - files.txt: the names in the responses.
//   - error.txt: the error, where there are no files.
//   - notes.txt: what a person is told.
func TestGolden(t *testing.T) {
	t.Parallel()
	dirs, err := filepath.Glob("testdata/*/params")
	require.NoError(t, err)
	require.NotEmpty(t, dirs)
	for _, params := range dirs {
		name := filepath.Base(filepath.Dir(params))
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := readCase(t, name)
			got := c.generate(t)
			if *update {
				c.write(t, got)
			}
			c.compare(t, got)
		})
	}
}

// goldenCase is one directory of testdata.
type goldenCase struct {
	name string
	runs []string // plugin parameters

	generateOnly  []string // "generate:" proto paths; all of the case if empty
	noSourceInfo  bool     // "source_info: no"
	edition       string   // "edition:" instead of the one in the proto files
	ownRoot       bool     // "root: case": proto paths do not start with the case
	messagesOf    []string // "messages:" what protoc-gen-go runs on, if not on the same
	keepGenerator bool     // "versions: yes": header with versions
	noCompile     bool     // "compile: no": the output needs something to build
}

func readCase(t *testing.T, name string) *goldenCase {
	t.Helper()
	c := &goldenCase{name: name}
	text, err := os.ReadFile(filepath.Join("testdata", name, "params"))
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		key, value, ok := strings.Cut(line, ": ")
		if !ok {
			c.runs = append(c.runs, strings.ReplaceAll(line, "$MODULE", testdataPath))
			continue
		}
		switch key {
		case "generate":
			c.generateOnly = strings.Fields(value)
		case "source_info":
			c.noSourceInfo = value == "no"
		case "edition":
			c.edition = value
		case "root":
			c.ownRoot = value == "case"
		case "messages":
			c.messagesOf = strings.Fields(value)
		case "compile":
			c.noCompile = value == "no"
		case "versions":
			c.keepGenerator = value == "yes"
		default:
			require.Fail(t, "unknown setting "+key)
		}
	}
	return c
}

// root is what proto paths are relative to.
func (c *goldenCase) root() string {
	if c.ownRoot {
		return path.Join("testdata", c.name)
	}
	return "testdata"
}

// protos returns the paths of the case's proto files.
func (c *goldenCase) protos(t *testing.T) []string {
	t.Helper()
	var names []string
	err := fs.WalkDir(os.DirFS("testdata/"+c.name), ".", func(p string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(p, ".proto") {
			if !c.ownRoot {
				p = path.Join(c.name, p)
			}
			names = append(names, p)
		}
		return err
	})
	require.NoError(t, err)
	return names
}

// generate returns the files of all runs, by path below testdata.
func (c *goldenCase) generate(t *testing.T) map[string]string {
	t.Helper()
	set := compile(t, c.root(), c.protos(t)...)
	c.adjust(t, set)
	got := make(map[string]string)
	var listed, notes, failed []string
	for _, parameter := range c.runs {
		request := c.request(set, parameter)
		response, told, err := c.run(t, request, parameter)
		switch {
		case err != nil:
			failed = append(failed, "exit 1: "+err.Error())
		case response.Error != nil:
			failed = append(failed, response.GetError())
		}
		for _, file := range response.GetFile() {
			listed = append(listed, strings.TrimPrefix(file.GetName(), "./"))
			got[c.place(file.GetName(), parameter)] = file.GetContent()
		}
		notes = append(notes, told...)
	}
	if len(failed) == 0 {
		request := c.request(set, c.runs[0])
		if c.messagesOf != nil {
			request.FileToGenerate = c.messagesOf
		}
		for name, content := range messages(t, request) {
			got[c.place(name, "")] = content
		}
	}
	c.addText(got, "files.txt", listed)
	c.addText(got, "error.txt", failed)
	c.addText(got, "notes.txt", notes)
	return got
}

func (c *goldenCase) addText(got map[string]string, name string, lines []string) {
	if len(lines) > 0 {
		got[path.Join(c.name, name)] = strings.Join(lines, "\n") + "\n"
	}
}

// run generates and checks what holds for each run: a second one, and one that
// finds its own output, change nothing.
func (c *goldenCase) run(t *testing.T, request *pluginpb.CodeGeneratorRequest, parameter string) (*pluginpb.CodeGeneratorResponse, []string, error) {
	t.Helper()
	dir := c.before(t, parameter)
	result, err := gen.Generate(request, gen.Workspace{FS: dir})
	again, errAgain := gen.Generate(request, gen.Workspace{FS: dir})
	require.Equal(t, err, errAgain)
	require.Equal(t, result.Response.GetFile(), again.Response.GetFile(), "the second run differs")
	if in := implOf(parameter); in != "" && err == nil && result.Response.Error == nil {
		for _, file := range result.Response.GetFile() {
			dir[file.GetName()] = &fstest.MapFile{Data: []byte(file.GetContent())}
		}
		over, err := gen.Generate(request, gen.Workspace{FS: dir})
		require.NoError(t, err)
		require.Empty(t, over.Response.GetError())
		require.Empty(t, over.Response.GetFile(), "a run over its own output is no no-op")
	}
	return result.Response, result.Notes, err
}

// before returns the working directory of a run: a buf.gen.yaml that fits, the files
// in before as those of the implementation's directory, and for guests a module, so that
// they get programs.
func (c *goldenCase) before(t *testing.T, parameter string) fstest.MapFS {
	t.Helper()
	dir, impl := make(fstest.MapFS), implOf(parameter)
	if strings.Contains(parameter, "guest_impl=") {
		dir["go.mod"] = &fstest.MapFile{Data: []byte("module " + path.Join(testdataPath, c.name) + "\n")}
	}
	dir["buf.gen.yaml"] = &fstest.MapFile{Data: []byte(templateWith(parameter) + "    types: [" + c.name + "]\n")}
	names, err := filepath.Glob(filepath.Join("testdata", c.name, "before", "*.txt"))
	require.NoError(t, err)
	for _, name := range names {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		dir[path.Join(impl, strings.TrimSuffix(filepath.Base(name), ".txt"))] = &fstest.MapFile{Data: text}
	}
	return dir
}

// implOf returns the directory of impl= or guest_impl=, "." if there are both, and "" if
// there is none.
func implOf(parameter string) string {
	in := ""
	for part := range strings.SplitSeq(parameter, ",") {
		if name, dir, _ := strings.Cut(part, "="); name == "impl" || name == "guest_impl" {
			if in != "" {
				return "."
			}
			in = dir
		}
	}
	return in
}

// place returns where a file of a response is, below testdata.
func (c *goldenCase) place(name, parameter string) string {
	if implOf(parameter) != "" {
		return path.Join(c.name, name)
	}
	if inside, ok := strings.CutPrefix(name, testdataPath+"/"); ok {
		return inside
	}
	if c.ownRoot && !strings.HasPrefix(name, c.name+"/") {
		return path.Join(c.name, name)
	}
	return name
}

// outputs returns the golden files that are there.
func (c *goldenCase) outputs(t *testing.T) map[string]string {
	t.Helper()
	there := make(map[string]string)
	err := fs.WalkDir(os.DirFS("testdata"), c.name, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text := slices.Contains([]string{"files.txt", "error.txt", "notes.txt"}, path.Base(p))
		if text || strings.HasSuffix(p, ".go") || strings.HasSuffix(p, ".meta") {
			b, err := os.ReadFile(filepath.Join("testdata", p))
			there[p] = string(b)
			return err
		}
		return nil
	})
	require.NoError(t, err)
	return there
}

func (c *goldenCase) write(t *testing.T, got map[string]string) {
	t.Helper()
	for name := range c.outputs(t) {
		if _, ok := got[name]; !ok {
			require.NoError(t, os.Remove(filepath.Join("testdata", name)))
		}
	}
	for name, content := range got {
		full := filepath.Join("testdata", name)
		require.NoError(t, os.MkdirAll(filepath.Dir(full), 0o755))
		require.NoError(t, os.WriteFile(full, []byte(content), 0o644))
	}
}

func (c *goldenCase) compare(t *testing.T, got map[string]string) {
	t.Helper()
	want := c.outputs(t)
	const remedy = "if this is meant: go test ./internal/gen -run TestGolden/%s -update"
	for name, content := range got {
		require.Contains(t, want, name, remedy, c.name)
		require.Equal(t, want[name], content, "%s: "+remedy, name, c.name)
		if strings.HasSuffix(name, ".go") {
			requireFormatted(t, name, content)
		}
	}
	for name := range want {
		require.Contains(t, got, name, remedy, c.name)
	}
	require.False(t, bytes.Contains([]byte(fmt.Sprint(got)), []byte(wd(t))), "the output has a path of this machine")
}
