package gen_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/internal/gen"
)

// skeleton runs the mode impl=… over the files of a directory and returns the
// files of the response by name, the notes, and the error of the response.
func skeleton(t *testing.T, parameter string, dir map[string]string, protos map[string]string, names ...string) (map[string]string, []string, string) {
	t.Helper()
	files := make(fstest.MapFS)
	for name, text := range dir {
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	result, err := gen.Generate(requestFor(compileText(t, protos, names...), parameter, names...), files)
	require.NoError(t, err)
	got := make(map[string]string)
	for _, file := range result.Response.GetFile() {
		got[file.GetName()] = file.GetContent()
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
	queuev1parigot.UnimplementedQueueImpl
	words []*queuev1.Word
}

var _ queuev1parigot.QueueImpl = (*QueuePlugin)(nil)

var ParigotInitialize pluginsdk.ParigotInit = &QueuePlugin{}

func (*QueuePlugin) Init(ctx context.Context, e eng.Engine) bool {
	return queuev1parigot.RegisterQueue(ctx, e, &QueuePlugin{}) == nil
}

func (q *QueuePlugin) Send(_ context.Context, req, _ *queuev1.Word) error {
	q.words = append(q.words, req)
	return nil
}

func (q *QueuePlugin) Purge(ctx context.Context, req *queuev1.Word, resp *queuev1.Word) error {
	return nil
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
// Receive handles queue.v1.Queue.Receive.
func (q *QueuePlugin) Receive(ctx context.Context, req *queuev1.Word, resp *queuev1.Word) error {
	return status.Error(status.Unimplemented, queuev1parigot.Queue_Receive_FullName+" is not implemented")
}
`, got["impl_queue.go"])
	require.Equal(t, []string{"queue/impl_queue.go:31: QueuePlugin.Purge is no method of queue.v1.Queue; delete it when nothing needs it"}, notes)
}

func TestSkeletonElsewhere(t *testing.T) {
	t.Parallel()
	complete := strings.ReplaceAll(written, "Purge", "Receive")
	other := "package queue\n\n// by hand\n"
	got, notes, text := skeleton(t, "impl=./queue", map[string]string{"queue/any.go": complete, "queue/other.go": other}, queue, "queue.proto")
	require.Empty(t, text)
	require.Empty(t, notes)
	require.Equal(t, map[string]string{"any.go": complete}, got)
}

func TestSkeletonSecondService(t *testing.T) {
	t.Parallel()
	protos := map[string]string{"two.proto": queue["queue.proto"] + "service Topic { rpc Init(Word) returns (Word); }\nservice Log {}\n"}
	got, notes, text := skeleton(t, "impl=queue", map[string]string{"queue/impl_queue.go": written}, protos, "two.proto")
	require.Empty(t, text)
	require.Len(t, got, 3)
	for _, name := range []string{"impl_topic.go", "impl_log.go"} {
		require.NotContains(t, got[name], "ParigotInitialize")
	}
	require.Contains(t, notes, "queue/impl_queue.go:20 declares ParigotInitialize: add pluginsdk.InitFunc(initTopicPlugin) to it")
	require.Contains(t, notes, "queue/impl_queue.go:20 declares ParigotInitialize: add &LogPlugin{} to it")
}

func TestSkeletonHidesNothing(t *testing.T) {
	t.Parallel()
	decorated := strings.ReplaceAll(written, "queuev1parigot.UnimplementedQueueImpl", "queuev1parigot.QueueImpl")
	got, notes, text := skeleton(t, "impl=queue", map[string]string{"queue/impl_queue.go": decorated}, queue, "queue.proto")
	require.Empty(t, text)
	require.Equal(t, map[string]string{"impl_queue.go": decorated}, got)
	require.Contains(t, notes, "queue/impl_queue.go:1: QueuePlugin embeds ex.com/gen/queue/v1/queuev1parigot.QueueImpl, which may have the methods Receive: nothing is added for them")
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

func TestSkeletonRefusesClean(t *testing.T) {
	t.Parallel()
	const refusal = " says clean: true, which deletes hand-written files: write clean: false, or give the plugin with impl a template of its own that does not clean"
	tests := []struct {
		name, file, text, err string
	}{
		{"clean", "buf.gen.yaml", "version: v2\nclean: true\n", "impl: buf.gen.yaml" + refusal},
		{"JSON, and the other name", "buf.gen.yml", `{"version":"v2","clean":true}`, "impl: buf.gen.yml" + refusal},
		{"not clean", "buf.gen.yaml", "version: v2\nclean: false\nplugins: []\n", ""},
		{"silent", "buf.gen.yaml", "version: v2 # clean: true\n", ""},
		{"empty", "buf.gen.yaml", "", ""},
		{"another file", "buf.yaml", "clean: true\n", ""},
		{"broken", "buf.gen.yaml", "clean: [\n", "impl: cannot tell whether buf.gen.yaml says clean: true: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, _, text := skeleton(t, "impl=queue", map[string]string{tt.file: tt.text}, queue, "queue.proto")
			if tt.err == "" {
				require.Empty(t, text)
				require.Len(t, got, 1)
				return
			}
			require.Contains(t, text, tt.err)
			require.Empty(t, got)
		})
	}
	_, _, text := skeleton(t, "", map[string]string{"buf.gen.yaml": "clean: true"}, queue, "queue.proto")
	require.Empty(t, text, "without impl nothing is at risk")
}
