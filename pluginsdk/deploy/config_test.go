package deploy

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	filev1 "github.com/iansmith/parigot/examples/file/gen/file/v1"
	queuev1 "github.com/iansmith/parigot/examples/queue/gen/queue/v1"
	"github.com/iansmith/parigot/pluginsdk"
)

// TestConfig: configurations are read into the messages of their plugins, linked or not,
// and errors are where they are written.
func TestConfig(t *testing.T) {
	t.Parallel()
	const before = "guests: [{name: a, wasm: b}]\nplugins:\n  - {name: other, config: {x: 1}}\n  - name: p\n"
	queue := &queuev1.QueueConfig{}
	unlinked := dynamicpb.NewMessage(queue.ProtoReflect().Descriptor())
	for name, c := range map[string]struct {
		config string
		into   proto.Message
		want   string
	}{
		"fields":      {"database: q.db\n      visibility_timeout: 5s\n      max_queues: 1k", queue, `{"database":"q.db", "visibility_timeout":"5s", "max_queues":1000}`},
		"unlinked":    {`database: q.db`, unlinked, `{"database":"q.db"}`},
		"type":        {"'@type': type.googleapis.com/queue.v1.QueueConfig\n      database: q.db", unlinked, `{"database":"q.db"}`},
		"other type":  {"'@type': type.googleapis.com/file.v1.FileConfig\n      database: q.db", queue, "f.yaml:6:16: plugins[1].config: the configuration of this plugin is a queue.v1.QueueConfig: leave @type out"},
		"unknown":     {"databse: q.db", queue, "f.yaml:6:7: plugins[1].config.databse: there is no such field: did you mean database?"},
		"wrong":       {"database: [q]\n      max_queues: many", unlinked, "f.yaml:6:17: plugins[1].config.database: expected scalar, got sequence\nf.yaml:7:19: plugins[1].config.max_queues: invalid"},
		"no config":   {"root: /", nil, "f.yaml:6:7: plugins[1].config: the plugin p has no configuration"},
		"other file":  {"root: /data\n      test_data_dirs: [/a, /b]", &filev1.FileConfig{}, `{"root":"/data", "test_data_dirs":["/a", "/b"]}`},
		"left to say": {"", queue, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := before
			if c.config != "" {
				text += "    config:\n      " + c.config + "\n"
			}
			f, err := parse("f.yaml", []byte(text+"  - {name: last, config: {y: 1}}\n"))
			require.NoError(t, err)
			got, err := f.config(f.Deployment.GetPlugins()[1], pluginsdk.Description{Config: c.into})
			switch {
			case strings.HasPrefix(c.want, "f.yaml"):
				require.ErrorContains(t, err, c.want)
			case c.want == "":
				require.NoError(t, err)
				require.Nil(t, got)
			default:
				require.NoError(t, err)
				want := c.into.ProtoReflect().New().Interface()
				unmarshalJSON(t, c.want, want)
				require.True(t, proto.Equal(want, got), "%v", got)
			}
		})
	}
}

func unmarshalJSON(t *testing.T, text string, into proto.Message) {
	t.Helper()
	require.NoError(t, protojson.Unmarshal([]byte(text), into))
}
