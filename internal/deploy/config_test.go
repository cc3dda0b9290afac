package deploy

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/parigotpb/deploymentpb"
)

// TestConfig: configurations are read into the messages of their plugins, linked or not,
// and errors are where they are written.
func TestConfig(t *testing.T) {
	t.Parallel()
	const before = "guests: [{name: a, wasm: b}]\nplugins:\n  - {name: other, config: {x: 1}}\n  - name: p\n"
	linked := &deploymentpb.Restart{}
	unlinked := dynamicpb.NewMessage(linked.ProtoReflect().Descriptor())
	const url = "type.googleapis.com/parigot.v1."
	for name, c := range map[string]struct {
		config string
		into   proto.Message
		want   string
	}{
		"fields":      {"policy: always\n      backoff: 5s\n      limit: 1k", linked, `{"policy":"always", "backoff":"5s", "limit":1000}`},
		"unlinked":    {"{backoff: 1h, limit: 1}", unlinked, `{"backoff":"3600s", "limit":1}`},
		"type":        {"'@type': " + url + "Restart\n      limit: 1", unlinked, `{"limit":1}`},
		"other type":  {"'@type': " + url + "Mount\n      limit: 1", linked, "f.yaml:6:16: plugins[1].config: the configuration of this plugin is a parigot.v1.Restart: leave @type out"},
		"unknown":     {"polcy: always", linked, "f.yaml:6:7: plugins[1].config.polcy: there is no such field: did you mean policy?"},
		"wrong":       {"policy: [q]\n      limit: many", unlinked, "f.yaml:6:15: plugins[1].config.policy: write one value, no list and no fields\nf.yaml:7:14: plugins[1].config.limit: \"many\" is not valid"},
		"rule":        {"policy: sometimes", linked, "f.yaml:6:15: plugins[1].config.policy: must be in list [never, on_failure, always]"},
		"rule, too":   {"policy: sometimes", unlinked, "f.yaml:6:15: plugins[1].config.policy: must be in list [never, on_failure, always]"},
		"no config":   {"root: /", nil, "f.yaml:6:7: plugins[1].config: the plugin p has no configuration"},
		"a list":      {"args: [/a, /b]\n      env: {a: b}", &deploymentpb.Guest{}, "f.yaml:6:7: plugins[1].config.name: value is required"},
		"left to say": {"", linked, ""},
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
