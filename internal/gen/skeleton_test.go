package gen_test

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/internal/gen"
)

// templateFor returns a template of buf with an entry for impl=, as it should be.
func templateFor(impl string) string { return templateWith("impl=" + impl) }

func templateWith(opt string) string {
	return "version: v2\nplugins:\n  - local: protoc-gen-parigot\n    out: .\n    opt: " + opt + "\n    strategy: all\n"
}

// skeleton runs the mode impl=… or guest_impl=… over the files of a directory and returns
// the files of the response by their names in that of the parameter, or in the working
// directory when there are both, the notes, and the error of the response.
func skeleton(t *testing.T, parameter string, dir map[string]string, protos map[string]string, names ...string) (map[string]string, []string, string) {
	t.Helper()
	files := make(fstest.MapFS)
	for name, text := range dir {
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	if files["buf.gen.yaml"] == nil && files["buf.gen.yml"] == nil {
		files["buf.gen.yaml"] = &fstest.MapFile{Data: []byte(templateWith(parameter))}
	}
	result, err := gen.Generate(requestFor(compileText(t, protos, names...), parameter, names...), gen.Workspace{FS: files})
	require.NoError(t, err)
	got := make(map[string]string)
	for _, file := range result.Response.GetFile() {
		name, err := filepath.Rel(filepath.Clean(implOf(parameter)), file.GetName())
		require.NoError(t, err)
		require.True(t, filepath.IsLocal(name), file.GetName())
		got[name] = file.GetContent()
	}
	return got, result.Notes, result.Response.GetError()
}

var queue = map[string]string{"queue.proto": service("queue.v1", "ex.com/gen/queue/v1;queuev1", "Queue", "Send", "Receive")}

// write is what a person made of the skeleton when the service had only Send.
const written = `package queue

import (
	"context"

	queuev1 "ex.com/gen/queue/v1"
	"ex.com/gen/queue/v1/queuev1parigot"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
)

// QueuePlugin keeps its messages in memory.
type QueuePlugin struct {
	queuev1parigot.UnimplementedQueueServer
	words []*queuev1.Word
}

var _ queuev1parigot.QueueServer = (*QueuePlugin)(nil)

var ParigotInitialize pluginsdk.ParigotInit = &QueuePlugin{}

func (*QueuePlugin) Init(ctx context.Context, e eng.Engine) bool {
	return queuev1parigot.RegisterQueue(ctx, e, &QueuePlugin{}) == nil
}

func (q *QueuePlugin) Send(_ context.Context, req *queuev1.Word) (*queuev1.Word, error) {
	q.words = append(q.words, req)
	return nil, nil
}

func (q *QueuePlugin) Purge(ctx context.Context, req *queuev1.Word) (*queuev1.Word, error) {
	return nil, nil
}
`

func TestSkeletonGrows(t *testing.T) {
	t.Parallel()
	got, notes, text := skeleton(t, "impl=queue", map[string]string{"queue/impl_queue.go": written}, queue, "queue.proto")
	require.Empty(t, text)
	require.Len(t, got, 1)
	imports, rest, ok := strings.Cut(written, "eng\"\n")
	require.True(t, ok)
	require.Equal(t, imports+"eng\"\n\t\"github.com/iansmith/parigot/pluginsdk/status\"\n"+rest+`
// Receive serves queue.v1.Queue.Receive.
func (q *QueuePlugin) Receive(ctx context.Context, req *queuev1.Word) (*queuev1.Word, error) {
	return nil, status.Error(status.Unimplemented, queuev1parigot.Queue_Receive_FullName+" is not implemented")
}
`, got["impl_queue.go"])
	require.Equal(t, []string{"queue/impl_queue.go:31: QueuePlugin.Purge is no method of queue.v1.Queue; delete it when nothing needs it", "queue/impl_queue.go: 1 method added"}, notes)
}

// TestSkeletonProgram: the package main is written once, where it can import the plugin.
func TestSkeletonProgram(t *testing.T) {
	t.Parallel()
	const want = `//go:build !wasip1

package main

import (
	myqueue "ex.com/app/internal/my-queue"
	"github.com/iansmith/parigot/pluginsdk/process"
)

// ParigotInitialize is the plugin, for hosts that load it as a Go plugin.
var ParigotInitialize = myqueue.ParigotInitialize

func main() { process.Main(ParigotInitialize) }
`
	const module = "module ex.com/app\n"
	uninitialised := strings.ReplaceAll(written, "ParigotInitialize", "other")
	for name, tt := range map[string]struct {
		parameter string
		dir       map[string]string
		want      string
	}{
		"new":              {"impl=internal/my-queue", map[string]string{"go.mod": module}, want},
		"grown":            {"impl=internal/my-queue", map[string]string{"go.mod": module, "internal/my-queue/a.go": strings.Replace(written, "package queue", "package myqueue", 1)}, want},
		"module below":     {"impl=internal/my-queue", map[string]string{"go.mod": "module wrong\n", "internal/go.mod": "module ex.com/app/internal\n"}, want},
		"there":            {"impl=q", map[string]string{"go.mod": module, "q/plugin/main.go": "package main // mine\n"}, ""},
		"another file":     {"impl=q", map[string]string{"go.mod": module, "q/plugin/run.go": "package main\n"}, ""},
		"no module":        {"impl=q", nil, ""},
		"a package main":   {"impl=q,impl_package=main", map[string]string{"go.mod": module}, ""},
		"no such variable": {"impl=q", map[string]string{"go.mod": module, "q/a.go": uninitialised}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, notes, text := skeleton(t, tt.parameter, tt.dir, queue, "queue.proto")
			require.Empty(t, text)
			require.Equal(t, tt.want, got["plugin/main.go"], notes)
		})
	}
}

func TestSkeletonElsewhere(t *testing.T) {
	t.Parallel()
	complete := strings.ReplaceAll(written, "Purge", "Receive")
	other := "package queue\n\n// by hand\n"
	got, notes, text := skeleton(t, "impl=./queue", map[string]string{"queue/any.go": complete, "queue/other.go": other}, queue, "queue.proto")
	require.Empty(t, text)
	require.Empty(t, notes)
	require.Empty(t, got, "nothing is missing")
}

// TestSkeletonSecondService: the implementation of another service gets into the
// directory only when somebody said so.
func TestSkeletonSecondService(t *testing.T) {
	t.Parallel()
	protos := map[string]string{"two.proto": queue["queue.proto"] + "service Topic { rpc Init(Word) returns (Word); }\nservice Log {}\n"}
	got, _, text := skeleton(t, "impl=queue", map[string]string{"queue/impl_queue.go": written}, protos, "two.proto")
	require.Empty(t, got)
	require.Equal(t, "two.proto:9:1: service queue.v1.Topic has no implementation in queue, where queue/impl_queue.go:18 is that of another, so nothing is written: write types: [queue.v1.Queue, queue.v1.Topic, queue.v1.Log] into the entry with impl=queue to have it there, or without queue.v1.Topic and queue.v1.Log to have it elsewhere; with protoc, write a type into queue/impl_topic.go, with the line\n\tvar _ queuev1parigot.TopicServer = (*TopicPlugin)(nil)", text)

	chosen := map[string]string{"queue/impl_queue.go": written, "buf.gen.yaml": templateFor("queue") + "    types: [queue.v1]\n"}
	got, notes, text := skeleton(t, "impl=queue", chosen, protos, "two.proto")
	require.Empty(t, text)
	require.Len(t, got, 3)
	for _, name := range []string{"impl_topic.go", "impl_log.go"} {
		require.NotContains(t, got[name], "ParigotInitialize")
	}
	require.Contains(t, notes, "queue/impl_queue.go:20 declares ParigotInitialize: add pluginsdk.Described(pluginsdk.InitFunc(initTopicPlugin), describeTopicPlugin) to it")
	require.Contains(t, notes, "queue/impl_queue.go:20 declares ParigotInitialize: add &LogPlugin{} to it")

	// It is enough that the other one is no part of this run.
	alone := map[string]string{"topic.proto": service("topic.v1", "ex.com/gen/topic/v1;topicv1", "Topic", "Ask")}
	_, _, text = skeleton(t, "impl=queue", map[string]string{"queue/impl_queue.go": written}, alone, "topic.proto")
	require.Contains(t, text, "topic.v1.Topic has no implementation in queue, where queue/impl_queue.go:18 is that of another, so nothing is written: write types: [topic.v1.Topic] into")

	// Neither do several entries share all services.
	several := map[string]string{"buf.gen.yaml": templateFor("queue") + "  - local: protoc-gen-parigot\n    out: .\n    opt: impl=topic\n    strategy: all\n"}
	_, _, text = skeleton(t, "impl=queue", several, protos, "two.proto")
	require.Equal(t, "impl: buf.gen.yaml:3 gets the skeletons of all services, although other entries have impl or guest_impl, too: write types: [queue.v1.Queue, queue.v1.Topic, queue.v1.Log] there, with those that belong into queue", text)
}

func TestSkeletonHidesNothing(t *testing.T) {
	t.Parallel()
	decorated := strings.ReplaceAll(written, "queuev1parigot.UnimplementedQueueServer", "queuev1parigot.QueueServer")
	got, notes, text := skeleton(t, "impl=queue", map[string]string{"queue/impl_queue.go": decorated}, queue, "queue.proto")
	require.Empty(t, text)
	require.Empty(t, got)
	require.Contains(t, notes, "queue/impl_queue.go:1: QueuePlugin embeds ex.com/gen/queue/v1/queuev1parigot.QueueServer, which may have the methods queue.v1.Queue.Receive: nothing is added for them")
}

func TestSkeletonPackageName(t *testing.T) {
	t.Parallel()
	tests := []struct {
		parameter string
		dir       map[string]string
		want, err string
	}{
		{parameter: "impl=queue", want: "queue"},
		{parameter: "impl=a/b/My-Queue.2/", want: "myqueue2"},
		{parameter: "impl=2fast", want: "plugin2fast"},
		{parameter: "impl=go/func", want: "funcplugin"},
		{parameter: "impl=queue,impl_package=main", want: "main"},
		{parameter: "impl=queue", dir: map[string]string{"queue/a.go": "package other\n"}, want: "other"},
		{parameter: "impl=.", dir: map[string]string{"a.go": "package other\n"}, want: "other"},
		{parameter: "impl=.", err: "impl=. does not tell the name of the Go package: set impl_package"},
		{parameter: "impl=../queue", err: "impl=../queue must be a directory inside the working directory, relative to it"},
		{parameter: "impl=/queue", err: "impl=/queue must be a directory inside the working directory, relative to it"},
		{parameter: "impl=queue,impl_package=x", dir: map[string]string{"queue/a.go": "package y\n"}, err: "the package is to be x, but queue/a.go says package y"},
		{parameter: "impl=queue", dir: map[string]string{"queue/a.go": "package"}, err: "queue/a.go does not parse, so nothing is written: queue/a.go:1:8: expected 'IDENT', found 'EOF'"},
	}
	for _, tt := range tests {
		t.Run(tt.parameter, func(t *testing.T) {
			t.Parallel()
			got, _, text := skeleton(t, tt.parameter, tt.dir, queue, "queue.proto")
			require.Equal(t, tt.err, text)
			if tt.err != "" {
				require.Empty(t, got)
				return
			}
			require.True(t, strings.HasPrefix(got["impl_queue.go"], "//go:build !wasip1\n\npackage "+tt.want+"\n"), got["impl_queue.go"])
		})
	}
}

// twoServices is what a person wrote for the services of two directories,
// before they had methods.
const twoServices = `package both

import (
	"ex.com/gen/a/v1/av1parigot"
	"ex.com/gen/b/v1/bv1parigot"
)

type both struct{}

var (
	_ av1parigot.AlphaServer = (*both)(nil)
	_ bv1parigot.BetaServer  = (*both)(nil)
)
`

// TestSkeletonWithBuf: buf runs a plugin once for each directory of proto
// files unless it is told otherwise.
func TestSkeletonWithBuf(t *testing.T) {
	t.Parallel()
	const entry = "version: v2\ninputs:\n  - directory: proto\nplugins:\n  - local: ./protoc-gen-parigot\n    out: .\n    opt: impl=both\n"
	protos := map[string]string{
		"proto/a/v1/a.proto": service("a.v1", "ex.com/gen/a/v1;av1", "Alpha", "Send"),
		"proto/b/v1/b.proto": service("b.v1", "ex.com/gen/b/v1;bv1", "Beta", "Receive"),
	}
	plugin := filepath.Join(t.TempDir(), "protoc-gen-parigot")
	command(t, "../..", "go", "build", "-o", plugin, "./cmd/protoc-gen-parigot")
	buf := command(t, "../..", "env", "CGO_ENABLED=0", "go", "tool", "-modfile=tools/go.mod", "-n", "buf")

	generate := func(template, before string) (string, map[string]string) {
		dir := filepath.Join(t.TempDir(), "a/b") // nothing beside it, or beside the one above
		require.NoError(t, os.MkdirAll(dir, 0o755))
		require.NoError(t, os.Symlink(plugin, filepath.Join(dir, "protoc-gen-parigot")))
		files := maps.Clone(protos)
		files["buf.gen.yaml"] = template
		if before != "" {
			files["both/both.go"] = before
		}
		for name, text := range files {
			name = filepath.Join(dir, name)
			require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
			require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
		}
		run := exec.CommandContext(t.Context(), buf, "generate")
		run.Dir = dir
		said, _ := run.CombinedOutput() // the files tell whether it worked
		names, err := filepath.Glob(filepath.Join(dir, "both", "*"))
		require.NoError(t, err)
		got := make(map[string]string)
		for _, name := range names {
			text, err := os.ReadFile(name)
			require.NoError(t, err)
			got[filepath.Base(name)] = string(text)
		}
		return string(said), got
	}

	said, got := generate(entry, twoServices)
	require.Contains(t, said, "write strategy: all in that entry")
	require.Equal(t, map[string]string{"both.go": twoServices}, got)

	said, got = generate(entry+"    strategy: all\n", twoServices)
	require.Equal(t, "protoc-gen-parigot: both/both.go: 2 methods added\n", said)
	require.Len(t, got, 1)
	require.Contains(t, got["both.go"], "\nfunc (p *both) Send(")
	require.Contains(t, got["both.go"], "\nfunc (p *both) Receive(")

	said, got = generate(entry+"    strategy: all\n", "")
	require.Equal(t, "protoc-gen-parigot: both/impl_alpha.go: new, with 1 method to fill in\nprotoc-gen-parigot: both/impl_beta.go: new, with 1 method to fill in\n", said)
	require.Len(t, got, 2)
	all := strings.Join(slices.Collect(maps.Values(got)), "")
	require.Equal(t, 1, strings.Count(all, "\nvar ParigotInitialize "))
}

// command returns the standard output of a command that must work.
func command(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	run := exec.CommandContext(t.Context(), name, args...)
	run.Dir, run.Stderr = dir, t.Output()
	out, err := run.Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(out))
}

func TestSkeletonFieldLikeMethod(t *testing.T) {
	t.Parallel()
	field := strings.Replace(written, "\twords []", "\tTotal, Receive int\n\twords []", 1)
	got, notes, text := skeleton(t, "impl=queue", map[string]string{"queue/any.go": field}, queue, "queue.proto")
	require.Equal(t, "queue.proto:6:3: rpc queue.v1.Queue.Receive cannot become a method of QueuePlugin, which has a field Receive (queue/any.go:15), so nothing is written: rename the field or the rpc", text)
	require.Empty(t, got)
	require.Len(t, notes, 1)

	// All of them are reported, and no other service gets anything.
	protos := map[string]string{"two.proto": queue["queue.proto"] + "service Topic { rpc Total(Word) returns (Word); rpc Words(Word) returns (Word); rpc Ask(Word) returns (Word); }\n"}
	both := field + "\nvar _ queuev1parigot.TopicServer = &topic{}\n\ntype topic struct{ QueuePlugin; Ask func() }\n\nfunc (topic) Words() {}\n"
	got, _, text = skeleton(t, "impl=queue", map[string]string{"queue/any.go": both}, protos, "two.proto")
	require.Equal(t, 2, strings.Count(text, "so nothing is written"), text)
	require.Contains(t, text, "rpc queue.v1.Queue.Receive cannot")
	require.Contains(t, text, "rpc queue.v1.Topic.Ask cannot become a method of topic, which has a field Ask (queue/any.go:38)")
	require.Empty(t, got)

	// With the method in place there is nothing to add.
	fine := strings.ReplaceAll(both, "Receive int", "received int") + "\nfunc (*QueuePlugin) Receive() {}\n"
	fine = strings.ReplaceAll(fine, "; Ask func()", "")
	got, _, text = skeleton(t, "impl=queue", map[string]string{"queue/any.go": fine}, protos, "two.proto")
	require.Empty(t, text)
	require.Len(t, got, 1)
}
