package merge_test

import (
	"cmp"
	"go/format"
	"path"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/internal/gen/merge"
)

// impl is the interface of all these tests. Its methods are Open and Close.
var impl = merge.Interface{ImportPath: "ex.com/gen/filev1parigot", PackageName: "filev1parigot", Name: "FileServer"}

var fallback = merge.Interface{ImportPath: impl.ImportPath, PackageName: impl.PackageName, Name: "UnimplementedFileServer"}

var methods = []string{"Open", "Close"}

// complete adds the missing methods to the implementation in dir and returns
// the name and content of the file that has it.
func complete(tb testing.TB, files map[string]string) (*merge.Target, string, error) {
	tb.Helper()
	dir := make(fstest.MapFS)
	for name, text := range files {
		dir[path.Join("file", name)] = &fstest.MapFile{Data: []byte(text)}
	}
	pkg, err := merge.Load(dir, "file", "")
	if err != nil {
		return nil, "", err
	}
	target, err := pkg.Find(impl, "impl_file.go", "FilePlugin")
	if err != nil || target == nil {
		return target, "", err
	}
	editor := target.Editor()
	if target.Hidden(fallback) == "" {
		for _, name := range target.Missing(methods) {
			editor.Append(stub(editor, target, name))
		}
	}
	content, err := editor.Bytes()
	return target, string(content), err
}

// stub returns a method the way a template prints it.
func stub(e *merge.Editor, target *merge.Target, name string) string {
	ctx := e.Qualify("context", "context", "Context")
	req := e.Qualify("ex.com/gen/file/v1", "filev1", name+"Request")
	resp := e.Qualify("ex.com/gen/file/v1", "filev1", name+"Response")
	errorf := e.Qualify("github.com/iansmith/parigot/pluginsdk/status", "status", "Error")
	return "// " + name + " is missing.\nfunc (" + cmp.Or(target.Receiver, "p") + " " + target.ReceiverType + ") " + name +
		"(ctx " + ctx + ", req *" + req + ") (*" + resp + ", error) {\n\t\treturn nil, " + errorf + "()\n}\n"
}

const openMethod = "\nfunc (p *FilePlugin) Open(ctx context.Context, req *filev1.OpenRequest) (*filev1.OpenResponse, error) { return nil, nil }\n"

const head = `package file

import (
	"context"

	filev1 "ex.com/gen/file/v1"
	"ex.com/gen/filev1parigot"
	"github.com/iansmith/parigot/pluginsdk/status"
)

type FilePlugin struct{ filev1parigot.UnimplementedFileServer }

`

const anchor = "var _ filev1parigot.FileServer = (*FilePlugin)(nil)\n"

const closeStub = `
// Close is missing.
func (p *FilePlugin) Close(ctx context.Context, req *filev1.CloseRequest) (*filev1.CloseResponse, error) {
	return nil, status.Error()
}
`

func TestAppend(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		before string
		others map[string]string
		after  string // before and stubs when it starts with "+"
	}{
		{
			name:   "one method is missing",
			before: head + anchor + openMethod,
			after:  "+" + closeStub,
		},
		{
			name:   "nothing is missing",
			before: head + anchor + openMethod + strings.ReplaceAll(openMethod, "Open", "Close"),
			after:  "+",
		},
		{
			name:   "a method is in another file with a build constraint",
			before: head + anchor + openMethod,
			others: map[string]string{"close_linux.go": "//go:build ignore\n\npackage file\n\nfunc (FilePlugin) Close() {}\n"},
			after:  "+",
		},
		{
			name:   "a method comes from an embedded type of the package",
			before: head + "type base struct{}\nfunc (*base) Close() {}\ntype FileStore struct{ *base }\nvar _ filev1parigot.FileServer = &FileStore{}\n" + strings.ReplaceAll(openMethod, "FilePlugin", "FileStore"),
			after:  "+",
		},
		{
			name:   "a method comes from an embedded interface of the package",
			before: head + "type closer interface{ Close() }\ntype FileStore struct{ closer }\nvar _ filev1parigot.FileServer = &FileStore{}\n" + strings.ReplaceAll(openMethod, "FilePlugin", "FileStore"),
			after:  "+",
		},
		{
			name:   "the type is an alias",
			before: head + "type store struct{}\nfunc (store) Open() {}\nfunc (store) Close() {}\ntype FileStore = store\nvar _ filev1parigot.FileServer = FileStore{}\n",
			after:  "+",
		},
		{
			name:   "an embedded type of another module may have it",
			before: strings.ReplaceAll(head, "filev1parigot.UnimplementedFileServer", "status.Base") + anchor + openMethod,
			after:  "+",
		},
		{
			name:   "an embedded mutex does not",
			before: strings.ReplaceAll(strings.ReplaceAll(head, "filev1parigot.UnimplementedFileServer", "sync.Mutex"), `"context"`, "\"context\"\n\t\"sync\"") + anchor + openMethod,
			after:  "+" + closeStub,
		},
		{
			name:   "no newline at the end",
			before: head + anchor + strings.TrimSuffix(openMethod, "\n"),
			after:  "+\n" + closeStub,
		},
		{
			name:   "a comment at the end",
			before: head + anchor + openMethod + "// the end",
			after:  "+\n" + closeStub,
		},
		{
			name:   "odd formatting stays",
			before: head + anchor + "\n\n\n  func   (p *FilePlugin)   Open ( ) { }   \n\n\n// floats\n\n",
			after:  "+" + closeStub,
		},
		{
			name:   "value receivers with another name",
			before: head + anchor + strings.ReplaceAll(openMethod, "p *FilePlugin", "file FilePlugin"),
			after:  "+" + strings.ReplaceAll(closeStub, "p *FilePlugin", "file FilePlugin"),
		},
		{
			name:   "a value in the anchor",
			before: head + "var _ filev1parigot.FileServer = FilePlugin{}\n" + strings.ReplaceAll(openMethod, "p *FilePlugin", "FilePlugin"),
			after:  "+" + strings.ReplaceAll(closeStub, "*FilePlugin", "FilePlugin"),
		},
		{
			name:   "the receiver is called like a parameter",
			before: head + anchor + strings.ReplaceAll(openMethod, "p *FilePlugin", "req *FilePlugin"),
			after:  "+" + closeStub,
		},
		{
			name:   "type parameters",
			before: head + "type Store[K comparable, V any] struct{}\nvar _ filev1parigot.FileServer = (*Store[int, string])(nil)\nfunc (s *Store[K, V]) Open() {}\n",
			after:  "+" + strings.ReplaceAll(closeStub, "p *FilePlugin", "s *Store[_, _]"),
		},
		{
			name:   "other names for imports",
			before: strings.NewReplacer(`"context"`, `std "context"`, "filev1 ", "pb ", `"github.com/iansmith/parigot/pluginsdk/status"`, `. "github.com/iansmith/parigot/pluginsdk/status"`).Replace(head) + anchor + "func (p *FilePlugin) Open() {}\n",
			after:  "+" + strings.NewReplacer("context.", "std.", "filev1.", "pb.", "status.", "").Replace(closeStub),
		},
		{
			name:   "CRLF",
			before: strings.ReplaceAll(head+anchor+openMethod, "\n", "\r\n"),
			after:  "+" + strings.ReplaceAll(closeStub, "\n", "\r\n"),
		},
		{
			name:   "a byte order mark",
			before: "\uFEFF" + head + anchor + openMethod,
			after:  "+" + closeStub,
		},
		{
			name:   "imports go into their groups",
			before: "package file\n\nimport (\n\t\"bytes\"\n\t\"os\" // for files\n\n\t\"ex.com/gen/filev1parigot\"\n\t// last\n\t\"ex.com/z\"\n)\n\ntype FilePlugin struct{}\n\n" + anchor,
			after:  "package file\n\nimport (\n\t\"bytes\"\n\t\"context\"\n\t\"os\" // for files\n\n\tfilev1 \"ex.com/gen/file/v1\"\n\t\"ex.com/gen/filev1parigot\"\n\t// last\n\t\"ex.com/z\"\n\t\"github.com/iansmith/parigot/pluginsdk/status\"\n)\n\ntype FilePlugin struct{}\n\n" + anchor + strings.ReplaceAll(closeStub, "Close", "Open") + closeStub,
		},
		{
			name:   "a new group for the standard library",
			before: "package file\n\nimport (\n\t\"ex.com/gen/filev1parigot\"\n)\n\ntype FilePlugin struct{}\n\n" + anchor,
			after:  "package file\n\nimport (\n\t\"context\"\n\n\tfilev1 \"ex.com/gen/file/v1\"\n\t\"ex.com/gen/filev1parigot\"\n\t\"github.com/iansmith/parigot/pluginsdk/status\"\n)\n\ntype FilePlugin struct{}\n\n" + anchor + strings.ReplaceAll(closeStub, "Close", "Open") + closeStub,
		},
		{
			name:   "an import on one line",
			before: "package file\n\nimport \"ex.com/gen/filev1parigot\" // anchor\n\ntype FilePlugin struct{}\n\n" + anchor,
			after:  "package file\n\nimport \"ex.com/gen/filev1parigot\" // anchor\nimport \"context\"\nimport filev1 \"ex.com/gen/file/v1\"\nimport \"github.com/iansmith/parigot/pluginsdk/status\"\n\ntype FilePlugin struct{}\n\n" + anchor + strings.ReplaceAll(closeStub, "Close", "Open") + closeStub,
		},
		{
			name:   "everything on one line",
			before: "package file; import (\"ex.com/gen/filev1parigot\"); type FilePlugin struct{}; " + strings.TrimSpace(anchor),
			after: "package file; import (\"ex.com/gen/filev1parigot\"); import \"context\"; import filev1 \"ex.com/gen/file/v1\"; import \"github.com/iansmith/parigot/pluginsdk/status\"; type FilePlugin struct{}; " +
				anchor + strings.ReplaceAll(closeStub, "Close", "Open") + closeStub,
		},
		{
			name:   "names that are taken",
			before: "package file\n\nimport (\n\t\"context\"\n\n\t\"ex.com/gen/filev1parigot\"\n)\n\ntype FilePlugin struct{}\n\nvar status, filev1 int\n\n" + anchor + "func (p *FilePlugin) Open() {}\n",
			after: "package file\n\nimport (\n\t\"context\"\n\n\tfilev12 \"ex.com/gen/file/v1\"\n\t\"ex.com/gen/filev1parigot\"\n\tstatus2 \"github.com/iansmith/parigot/pluginsdk/status\"\n)\n\ntype FilePlugin struct{}\n\nvar status, filev1 int\n\n" + anchor + "func (p *FilePlugin) Open() {}\n" +
				strings.NewReplacer("filev1.", "filev12.", "status.", "status2.").Replace(closeStub),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{"impl_file.go": tt.before}
			for name, text := range tt.others {
				files[name] = text
			}
			_, got, err := complete(t, files)
			require.NoError(t, err)
			want := tt.after
			if added, ok := strings.CutPrefix(want, "+"); ok {
				want = tt.before + added
			}
			require.Equal(t, want, got)
			requireKept(t, tt.before, got)

			files["impl_file.go"] = got
			_, again, err := complete(t, files)
			require.NoError(t, err)
			require.Equal(t, got, again, "the second run is no no-op")
		})
	}
}

func TestField(t *testing.T) {
	t.Parallel()
	const store = "struct {\n\tClose int\n}\n"
	tests := []struct {
		name, text, want string // want is the line of the field Close
	}{
		{"a field", "type FilePlugin " + store, "2"},
		{"one of several", "type FilePlugin struct {\n\tOpened,\n\tClose int\n}", "3"},
		{"an embedded type", "type FilePlugin struct{ Close }; type Close struct{}", "1"},
		{"an embedded pointer", "type FilePlugin struct{ *Close }; type Close struct{}", "1"},
		{"an embedded type of another package", "type FilePlugin struct{ filev1parigot.Close }", "1"},
		{"an embedded generic type", "type FilePlugin struct{ *filev1parigot.Close[int, string] }", "1"},
		{"a generic type", "type FilePlugin[Open any] struct{ Close[Open] }; type Close[T any] struct{}", "1"},
		{"an alias", "type FilePlugin = store; type store " + store, "2"},
		{"a type like another", "type FilePlugin store; type store = other; type other " + store, "2"},
		{"in parentheses", "type FilePlugin (" + strings.TrimSpace(store) + ")", "2"},
		{"another system", "type FilePlugin struct{}\ntype FilePlugin struct{ Close int }", "2"},
		{"a promoted field", "type FilePlugin struct{ base }; type base " + store, ""},
		{"a field of a field", "type FilePlugin struct{ base struct{ Close int } }", ""},
		{"a type in a circle", "type FilePlugin other; type other FilePlugin", ""},
		{"no struct", "type FilePlugin int", ""},
		{"other case", "type FilePlugin struct{ close, Closed, _ int }", ""},
		{"no such type", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			files := fstest.MapFS{
				"file/impl_file.go": {Data: []byte("package file\n\nimport \"ex.com/gen/filev1parigot\"\n\nvar _ filev1parigot.FileServer = (*FilePlugin)(nil)\n")},
				"file/type.go":      {Data: []byte("package file; " + tt.text)},
			}
			pkg, err := merge.Load(files, "file", "")
			require.NoError(t, err)
			target, err := pkg.Find(impl, "impl_file.go", "FilePlugin")
			require.NoError(t, err)
			want := tt.want
			if want != "" {
				want = "file/type.go:" + want
			}
			require.Equal(t, want, target.Field("Close"))
			require.Empty(t, target.Field("Open"))
		})
	}
}

// requireKept checks that after is before with insertions only, and that a
// formatted file stays formatted.
func requireKept(tb testing.TB, before, after string) {
	tb.Helper()
	requireBytes(tb, before, after)
	if formatted, err := format.Source([]byte(before)); err == nil && string(formatted) == before {
		formatted, err := format.Source([]byte(after))
		require.NoError(tb, err)
		require.Equal(tb, string(formatted), after, "not formatted any more")
	}
}

func TestStray(t *testing.T) {
	t.Parallel()
	gone := strings.ReplaceAll(openMethod, "Open", "Gone")
	stub := "package file\n\nimport pb \"ex.com/gen/filev1parigot\"\n" + strings.Replace(gone, "nil", "status.Error(pb.File_Gone_FullName)", 1)
	target, _, err := complete(t, map[string]string{"impl_file.go": head + anchor, "stub.go": stub})
	require.NoError(t, err)
	require.Equal(t, []merge.Stray{{At: "file/stub.go:5: FilePlugin.Gone", Refers: "pb.File_Gone_FullName"}}, target.Stray(impl, methods))

	target, got, err := complete(t, map[string]string{
		"impl_file.go": head + anchor + openMethod,
		"more.go":      "package file\n" + gone + "\nfunc (p *FilePlugin) Init(context.Context, eng.Engine) bool { return true }\nfunc (p *FilePlugin) helper(ctx context.Context, a *A, b *B) error { return nil }\n",
	})
	require.NoError(t, err)
	require.Equal(t, []merge.Stray{{At: "file/more.go:3: FilePlugin.Gone"}}, target.Stray(impl, methods))
	require.Equal(t, head+anchor+openMethod+closeStub, got)
	require.False(t, target.AlsoImplements(impl, "Server"))
}

func TestPackageName(t *testing.T) {
	t.Parallel()
	dir := fstest.MapFS{
		"file/a.go":   {Data: []byte("package main\n")},
		"file/b.go":   {Data: []byte("package main\n")},
		"file/c.go":   {Data: []byte("package file\n\ntype C int\n")},
		"half/a.go":   {Data: []byte("package old\n")},
		"half/b.go":   {Data: []byte("package half\n")},
		"half/c.go":   {Data: []byte("package half\n")},
		"empty/a.txt": {},
	}
	for _, tt := range []struct{ dir, want, name, err string }{
		{dir: "file", name: "file"},
		{dir: "file", want: "main", err: "file/c.go says package file, but file/a.go says package main, so nothing is written"},
		{dir: "half", err: "half/a.go says package old, but half/b.go says package half, so nothing is written"},
		{dir: "half", want: "old", err: "half/b.go says package half, but half/a.go says package old, so nothing is written"},
		{dir: "file", want: "other", err: "the package is to be other, but file/a.go says package main"},
		{dir: "empty", name: ""},
		{dir: "missing", want: "x", name: "x"},
		{dir: "file/c.go", err: "file/c.go"},
	} {
		pkg, err := merge.Load(dir, tt.dir, tt.want)
		if tt.err != "" {
			require.ErrorContains(t, err, tt.err)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, tt.name, pkg.Name)
	}
	pkg, err := merge.Load(dir, "file", "")
	require.NoError(t, err)
	require.Equal(t, "file/c.go:3", pkg.Declares("C"))
	require.Empty(t, pkg.Declares("D"))
}

func TestNewFile(t *testing.T) {
	t.Parallel()
	pkg, err := merge.Load(nil, "file", "file")
	require.NoError(t, err)
	editor := pkg.New("impl_file.go", "!wasip1", "status")
	text := "var _ = " + editor.Qualify("github.com/iansmith/parigot/pluginsdk/status", "status", "Error") + "\n"
	text += "var _ = " + editor.Qualify("context", "context", "Background") + "\n"
	text += "var _ = " + editor.Qualify("ex.com/type", "type", "X") + "\n"
	editor.Append(text)
	got, err := editor.Bytes()
	require.NoError(t, err)
	require.Equal(t, `//go:build !wasip1

package file

import (
	"context"

	type2 "ex.com/type"
	status2 "github.com/iansmith/parigot/pluginsdk/status"
)

var _ = status2.Error
var _ = context.Background
var _ = type2.X
`, string(got))
}

func TestAppendedTextThatDoesNotParse(t *testing.T) {
	t.Parallel()
	dir := fstest.MapFS{"file/impl_file.go": {Data: []byte(head + anchor)}}
	pkg, err := merge.Load(dir, "file", "")
	require.NoError(t, err)
	target, err := pkg.Find(impl, "impl_file.go", "FilePlugin")
	require.NoError(t, err)
	editor := target.Editor()
	editor.Append("func (")
	_, err = editor.Bytes()
	require.ErrorContains(t, err, "file/impl_file.go: what is to be added does not parse")
}
