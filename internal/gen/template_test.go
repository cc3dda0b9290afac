package gen_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/pluginpb"

	"github.com/iansmith/parigot/internal/gen"
)

// TestSkeletonTemplate: a template with an entry that could make buf delete or replace
// what people wrote is refused, and so is none.
func TestSkeletonTemplate(t *testing.T) {
	t.Parallel()
	const (
		v2, v1   = "version: v2\nplugins:\n", "version: v1\nplugins:\n"
		entry    = "  - local: protoc-gen-parigot\n    out: .\n    opt: impl=queue\n"
		all      = "    strategy: all\n"
		strategy = " runs the plugin with impl=queue for each directory of proto files, where one run drops what another adds: write strategy: all in that entry"
		out      = ": the names of the files begin with queue already, so that they cannot land on other files"
		clean    = " says clean: true, which deletes hand-written files: write clean: false, or give the plugin with impl a template of its own that does not clean"
		inputs   = " has several inputs, and buf runs the plugin with impl=queue for each, where one run drops what another adds: leave inputs out, and make the directories modules of one buf.yaml"
		none     = "impl: no template of buf around the working directory has an entry with impl=queue, so nobody can tell where the output goes: write it into buf.gen.yaml:\n" + entry + "    strategy: all"
	)
	tests := []struct {
		name, file, text, err string
	}{
		{name: "as it should be", text: v2 + entry + all},
		{name: "out is the directory", text: v2 + "  - local: protoc-gen-parigot\n    out: queue\n    opt: impl=queue\n" + all, err: "impl: buf.gen.yaml:3: write out: . instead of out: queue" + out},
		{name: "out is a mistyped one", text: v2 + "  - local: protoc-gen-parigot\n    out: queues\n    opt: impl=queue\n" + all, err: "impl: buf.gen.yaml:3: write out: . instead of out: queues, and impl=queues/queue if the files belong there" + out},
		{name: "out is above", text: v2 + "  - local: protoc-gen-parigot\n    out: ../queue\n    opt: impl=queue\n" + all, err: "impl: buf.gen.yaml:3: write out: . instead of out: ../queue" + out},
		{name: "out is written otherwise", text: v2 + "  - local: protoc-gen-parigot\n    out: ./\n    opt: impl=./queue/\n" + all},
		{name: "no strategy", text: v2 + entry, err: "impl: buf.gen.yaml:3" + strategy},
		{name: "another strategy", text: v2 + entry + "    strategy: directory\n", err: "impl: buf.gen.yaml:3" + strategy},
		{name: "clean", text: "version: v2\nclean: true\nplugins:\n" + entry + all, err: "impl: buf.gen.yaml" + clean},
		{name: "clean in another template", file: "other.gen.yml", text: "version: v2\nclean: true\nplugins:\n" + entry + all, err: "impl: other.gen.yml" + clean},
		{name: "clean in a comment", text: "version: v2 # clean: true\nplugins:\n" + entry + all},
		{name: "two inputs", text: "version: v2\ninputs:\n  - directory: a\n  - directory: b\nplugins:\n" + entry + all, err: "impl: buf.gen.yaml:3" + inputs},
		{name: "one input", text: "version: v2\ninputs:\n  - directory: a\nplugins:\n" + entry + all},
		{name: "a template below", file: "build/buf.gen.impl.yaml", text: v2 + entry + all},
		{name: "the second entry", text: v2 + "  - local: protoc-gen-parigot\n    opt: impl=topic\n    strategy: all\n" + entry, err: "impl: buf.gen.yaml:6" + strategy},
		{name: "a list of options", text: v2 + "  - local: protoc-gen-parigot\n    out: .\n    opt:\n      - versions=false\n      - impl=queue\n", err: "impl: buf.gen.yaml:3" + strategy},
		{name: "several options in one", text: v2 + "  - local: protoc-gen-parigot\n    out: .\n    opt: [\"versions=false,impl=queue\"]\n", err: "impl: buf.gen.yaml:3" + strategy},
		{name: "options that are no text", text: v2 + "  - local: protoc-gen-parigot\n    out: .\n    opt: [1, true, impl=queue]\n", err: "impl: buf.gen.yaml:3" + strategy},
		{name: "an anchor", text: "version: v2\nx: &x impl=queue\nplugins:\n  - local: protoc-gen-parigot\n    out: .\n    opt: *x\n", err: "impl: buf.gen.yaml:4" + strategy},
		{name: "JSON", file: "buf.gen.json", text: `{"version":"v2","plugins":[{"local":"protoc-gen-parigot","out":".","opt":"impl=queue"}]}`, err: "impl: buf.gen.json:1" + strategy},
		{name: "v1", text: v1 + "  - plugin: parigot\n    out: .\n    opt: impl=queue\n", err: "impl: buf.gen.yaml:3" + strategy},
		{name: "v1 with all", text: v1 + "  - plugin: parigot\n    out: .\n    opt: impl=queue\n" + all},
		{name: "no entry with impl", text: v2 + "  - local: protoc-gen-parigot\n    out: gen\n  - local: protoc-gen-parigot\n    opt: impl_package=x\n  - local: protoc-gen-parigot\n    opt: impl=\n", err: none},
		{name: "another directory", text: v2 + "  - local: protoc-gen-parigot\n    out: .\n    opt: impl=topic\n" + all, err: none},
		{name: "empty", text: "", err: none},
		{name: "no template", file: "notes.txt", text: v2 + entry + all, err: none},
		{name: "data", file: "data.json", text: `{"plugins": "impl=queue"}`, err: none},
		{name: "broken", text: "# impl=queue\nclean: [\n", err: "cannot tell what buf.gen.yaml says of the entry with impl or guest_impl: yaml: line 2: did not find expected node content"},
		{name: "an odd entry", text: v2 + "  - impl=queue\n", err: "cannot tell what buf.gen.yaml says of the entry with impl or guest_impl: yaml: unmarshal errors:\n  line 3: cannot unmarshal !!str `impl=queue` into gen.plain"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			name := "buf.gen.yaml"
			if tt.file != "" {
				name = tt.file
			}
			files := fstest.MapFS{name: {Data: []byte(tt.text)}}
			request := requestFor(compileText(t, queue, "queue.proto"), "impl=queue", "queue.proto")
			result, err := gen.Generate(request, gen.Workspace{FS: files})
			require.NoError(t, err)
			require.Equal(t, tt.err, result.Response.GetError())
			require.Equal(t, tt.err == "", len(result.Response.GetFile()) == 1)

			// guest_impl goes by the same rules.
			ofGuest := strings.NewReplacer("impl or guest_impl", "impl or guest_impl", "`impl=queue`", "`guest_i...`", "impl", "guest_impl")
			dir := map[string]string{"buf.gen.yaml": " ", name: ofGuest.Replace(tt.text)}
			_, _, text := skeleton(t, "guest_impl=queue", dir, queue, "queue.proto")
			require.Equal(t, ofGuest.Replace(tt.err), text)

			if tt.err == none { // protoc has no templates
				request.CompilerVersion = &pluginpb.Version{Major: proto.Int32(3), Minor: proto.Int32(21)}
				result, err = gen.Generate(request, gen.Workspace{FS: files})
				require.NoError(t, err)
				require.Empty(t, result.Response.GetError())
				require.Len(t, result.Response.GetFile(), 1)
				require.Equal(t, []string{"what is written into queue has that in its name: the output directory, --parigot_out of protoc, must be the working directory", "queue/impl_queue.go: new, with 2 methods to fill in"}, result.Notes)
			}
		})
	}
}

// TestSkeletonLosesNothing: a run refuses to write a file when there is one of the name
// that it has not read, or when the implementation may be elsewhere.
func TestSkeletonLosesNothing(t *testing.T) {
	t.Parallel()
	const nameOfBoth = ", so nothing is written: name the same package in both, or move one away"
	old := "package oldname" + written[len("package queue"):]
	inMain := "//go:build ignore\n\npackage main" + written[len("package queue"):]
	moved := map[string]string{"q.proto": service("queue.v1", "ex.com/api/queue/v1;queuev1", "Queue", "Send", "Receive")}
	tests := []struct {
		name  string
		files map[string]string
		proto map[string]string
		err   string // empty: the skeleton is written
	}{
		{
			name: "half renamed", files: map[string]string{"queue/impl_queue.go": old, "queue/a.go": "package newname\n", "queue/b.go": "package newname\n"},
			err: "queue/impl_queue.go says package oldname, but queue/a.go says package newname" + nameOfBoth,
		},
		{
			name: "a tie", files: map[string]string{"queue/impl_queue.go": old, "queue/a.go": "package newname\n"},
			err: "queue/impl_queue.go says package oldname, but queue/a.go says package newname" + nameOfBoth,
		},
		{
			name: "a package main", files: map[string]string{"queue/impl_queue.go": inMain, "queue/a.go": "package queue\n"},
			err: "queue/impl_queue.go says package main, but queue/a.go says package queue" + nameOfBoth,
		},
		{
			name: "a package main of another name", files: map[string]string{"queue/mine.go": inMain, "queue/a.go": "package queue\n"},
			err: "queue/mine.go says package main, but queue/a.go says package queue" + nameOfBoth,
		},
		{name: "a program beside the package", files: map[string]string{"queue/make.go": "//go:build ignore\n\npackage main\n", "queue/a.go": "package queue\n"}},
		{
			name: "a name in other case", files: map[string]string{"queue/Impl_Queue.GO": "mine"},
			err: "queue/Impl_Queue.GO does not say which type implements queuev1parigot.QueueServer, so nothing is written: add the line\n\tvar _ queuev1parigot.QueueServer = (*QueuePlugin)(nil)\nwith the name of the type, or move the file away",
		},
		{
			name: "a folder of that name", files: map[string]string{"queue/impl_queue.go/a.txt": "mine"},
			err: "queue/impl_queue.go does not say which type implements queuev1parigot.QueueServer, so nothing is written: add the line\n\tvar _ queuev1parigot.QueueServer = (*QueuePlugin)(nil)\nwith the name of the type, or move the file away",
		},
		{
			name: "a renamed folder", files: map[string]string{"mail/impl_queue.go": written},
			err: "mail/impl_queue.go:18 implements queue.v1.Queue, and queue does not, so nothing is written: if that is the implementation, set impl to its directory; for a second one, write a type into queue/impl_queue.go yourself, with the line\n\tvar _ queuev1parigot.QueueServer = (*QueuePlugin)(nil)",
		},
		{name: "a fake of a test", files: map[string]string{"mail/fake_test.go": written}},
		{
			name: "the name below another directory", files: map[string]string{"sub/queue/impl_queue.go": "package other\n"},
			err: "sub/queue/impl_queue.go is queue/impl_queue.go below sub, where the output may go without the plugin knowing it, and would be replaced, so nothing is written: if it is the implementation, run the compiler in sub; otherwise move it elsewhere, or make the folder a project of its own: git init sub",
		},
		{name: "the name in another directory", files: map[string]string{"mail/impl_queue.go": "package mail\n"}},
		{name: "folders that the go command skips", files: map[string]string{"vendor/x/queue/impl_queue.go": written, ".cache/queue/impl_queue.go": written, "sub/_old/queue/impl_queue.go": written}},
		{name: "a checkout below", files: map[string]string{"tree/.git": "gitdir: x\n", "tree/queue/impl_queue.go": written}},
		{
			name: "the Go package moved", files: map[string]string{"queue/impl_queue.go": written}, proto: moved,
			err: "queue/impl_queue.go:18 implements the QueueServer of ex.com/gen/queue/v1/queuev1parigot, but this one is in ex.com/api/queue/v1/queuev1parigot, so nothing is written: if the package moved, change\n" +
				"\tqueue/impl_queue.go:6 to queuev1 \"ex.com/api/queue/v1\"\n\tqueue/impl_queue.go:7 to \"ex.com/api/queue/v1/queuev1parigot\"\nor choose another directory",
		},
		{
			name: "the Go package moved from under a file of another name", files: map[string]string{"queue/mine.go": strings.ReplaceAll(written, "QueuePlugin", "store")}, proto: moved,
			err: "queue/mine.go:18 implements the QueueServer of ex.com/gen/queue/v1/queuev1parigot, but this one is in ex.com/api/queue/v1/queuev1parigot, so nothing is written: if the package moved, change\n" +
				"\tqueue/mine.go:6 to queuev1 \"ex.com/api/queue/v1\"\n\tqueue/mine.go:7 to \"ex.com/api/queue/v1/queuev1parigot\"\nor choose another directory",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			protos := queue
			if tt.proto != nil {
				protos = tt.proto
			}
			got, _, text := skeleton(t, "impl=queue", tt.files, protos, slices.Collect(maps.Keys(protos))...)
			require.Equal(t, tt.err, text)
			require.Equal(t, tt.err == "", len(got) == 1, got)
		})
	}
}

// TestSkeletonBelowModule: what is above the working directory counts, too.
func TestSkeletonBelowModule(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{
		"go.mod":           {Data: []byte("module ex.com/app\n")},
		"sub/buf.gen.yaml": {Data: []byte(templateFor("queue"))},
	}
	request := requestFor(compileText(t, queue, "queue.proto"), "impl=queue", "queue.proto")
	result, err := gen.Generate(request, gen.Workspace{FS: files, Dir: "sub"})
	require.NoError(t, err)
	require.Empty(t, result.Response.GetError())
	require.Len(t, result.Response.GetFile(), 2)
	require.Contains(t, result.Response.GetFile()[1].GetContent(), `"ex.com/app/sub/queue"`)

	files["queue/impl_queue.go"] = &fstest.MapFile{Data: []byte("package queue\n")}
	result, err = gen.Generate(request, gen.Workspace{FS: files, Dir: "sub"})
	require.NoError(t, err)
	require.Contains(t, result.Response.GetError(), "../queue/impl_queue.go is queue/impl_queue.go below ..,")
	require.NotContains(t, result.Response.GetError(), "git init")
}

// TestSkeletonBesideModule: -o may name a directory beside the module, with an
// implementation of the service.
func TestSkeletonBesideModule(t *testing.T) {
	t.Parallel()
	const gitInit = "; otherwise move it elsewhere, or make the folder a project of its own: git init "
	otherService := strings.ReplaceAll(written, "ex.com/gen", "ex.com/other")
	for _, c := range []struct{ name, text, want, remedy string }{
		{"home/src/other/queue/impl_queue.go", written, "../other/queue/impl_queue.go is queue/impl_queue.go below ../other,", gitInit + "../other"},
		{"home/src/other/queue/impl_queue.go", written + "\nfunc (", "../other/queue/impl_queue.go is queue/impl_queue.go below ../other,", ""},
		{"home/src/other/queue/impl_queue.go", otherService, "", ""},
		{"home/src/other/queue/impl_queue.go", "package queue\n", "", ""},
		{"home/src/queue/impl_queue.go", written, "../queue/impl_queue.go is queue/impl_queue.go below ..,", "; otherwise move it elsewhere"},
		{"home/other/queue/impl_queue.go", written, "../../other/queue/impl_queue.go is queue/impl_queue.go below ../../other,", gitInit + "../../other"},
		{"home/src/tree/queue/impl_queue.go", written, "", ""}, // a worktree
		{"home/src/other/queue/other.go", written, "", ""},
	} {
		for _, before := range []string{"", written} {
			files := fstest.MapFS{
				c.name:                      {Data: []byte(c.text)},
				"home/src/tree/.git":        {Data: []byte("gitdir: x\n")},
				"home/src/mod/buf.gen.yaml": {Data: []byte(templateFor("queue"))},
			}
			if before != "" {
				files["home/src/mod/queue/impl_queue.go"] = &fstest.MapFile{Data: []byte(before)}
			}
			request := requestFor(compileText(t, queue, "queue.proto"), "impl=queue", "queue.proto")
			result, err := gen.Generate(request, gen.Workspace{FS: files, Module: "home/src/mod"})
			require.NoError(t, err)
			if c.want != "" {
				require.Contains(t, result.Response.GetError(), c.want)
				require.True(t, strings.HasSuffix(result.Response.GetError(), c.remedy), result.Response.GetError())
			} else {
				require.Empty(t, result.Response.GetError())
				require.Len(t, result.Response.GetFile(), 1)
			}
		}
	}
}

// TestProgramYields: a file in the way of the program never stops a run, which says how
// to write the program instead.
func TestProgramYields(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"src/orders/queue/plugin/main.go":    "../orders, where ../orders/queue/plugin/main.go is",
		"src/queue/plugin/main.go":           ".., where ../queue/plugin/main.go is", // at the root of the module
		"src/queue/sub/queue/plugin/main.go": "sub, where sub/queue/plugin/main.go is",
	} {
		files := fstest.MapFS{
			name:                     {Data: []byte("package main // another\n")},
			"src/queue/go.mod":       {Data: []byte("module ex.com/app\n")},
			"src/queue/buf.gen.yaml": {Data: []byte(templateFor("queue"))},
		}
		request := requestFor(compileText(t, queue, "queue.proto"), "impl=queue", "queue.proto")
		result, err := gen.Generate(request, gen.Workspace{FS: files, Module: "src/queue"})
		require.NoError(t, err)
		require.Empty(t, result.Response.GetError())
		require.Len(t, result.Response.GetFile(), 1)
		require.Len(t, result.Notes, 2)
		require.Contains(t, result.Notes[0], "queue/plugin/main.go, the program of the plugin, is not written, because the output may go to "+want+": to have it, write it yourself:\n//go:build !wasip1\n\npackage main\n")
		require.Equal(t, "queue/impl_queue.go: new, with 2 methods to fill in", result.Notes[1])
	}
}

// TestStubOfRenamedRPC: the note says that the old stub does not compile.
func TestStubOfRenamedRPC(t *testing.T) {
	t.Parallel()
	got, _, text := skeleton(t, "impl=queue", nil, queue, "queue.proto")
	require.Empty(t, text)
	renamed := map[string]string{"queue.proto": service("queue.v1", "ex.com/gen/queue/v1;queuev1", "Queue", "Push", "Receive")}
	_, notes, text := skeleton(t, "impl=queue", map[string]string{"queue/impl_queue.go": got["impl_queue.go"]}, renamed, "queue.proto")
	require.Empty(t, text)
	require.Len(t, notes, 2)
	require.Regexp(t, `^queue/impl_queue\.go:\d+: QueuePlugin\.Send is no method of queue\.v1\.Queue any more, and does not compile, because queuev1parigot\.Queue_Send_FullName is gone: move its code`, notes[0])
}
