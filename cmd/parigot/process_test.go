package main

import (
	"bytes"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/iansmith/parigot/examples/file"
	filev1 "github.com/iansmith/parigot/examples/file/gen/file/v1"
	"github.com/iansmith/parigot/examples/queue"
	queuev1 "github.com/iansmith/parigot/examples/queue/gen/queue/v1"
	"github.com/iansmith/parigot/examples/syscall"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/plugintest"
	"github.com/iansmith/parigot/pluginsdk/process"
)

// pluginVariable says which plugin the test program is.
const pluginVariable = "PARIGOT_TEST_PLUGIN"

var plugins = map[string]pluginsdk.ParigotInit{
	"file": file.ParigotInitialize, "queue": queue.ParigotInitialize, "syscall": syscall.ParigotInitialize,
}

// TestMain makes the test program each of the plugins, too.
func TestMain(m *testing.M) {
	if process.IsPlugin() {
		process.Main(plugins[os.Getenv(pluginVariable)])
	}
	os.Exit(m.Run())
}

// program is the program of a plugin, and the environment that makes it that.
func program(t *testing.T, name string) (string, process.Option) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	return self, process.WithEnv(append(os.Environ(), pluginVariable+"="+name)...)
}

// TestDescribe: a plugin says the same of itself in all placements.
func TestDescribe(t *testing.T) {
	t.Parallel()
	for name, plugin := range plugins {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, env := program(t, name)
			got, err := process.Describe(t.Context(), path, env)
			require.NoError(t, err)
			want := plugin.(pluginsdk.Describer).Describe()
			require.Equal(t, configType(want), configType(got))
			require.Len(t, got.Services, len(want.Services))
			for i, s := range want.Services {
				require.Equal(t, s.Name, got.Services[i].Name)
				require.Equal(t, s.Module, got.Services[i].Module)
				require.Len(t, got.Services[i].Methods, len(s.Methods))
				for j := range s.Methods {
					m, other := s.Bound(j), got.Services[i].Bound(j)
					require.True(t, proto.Equal(protodesc.ToMethodDescriptorProto(m.Descriptor()), protodesc.ToMethodDescriptorProto(other.Descriptor())), m.Name)
					require.True(t, proto.Equal(protodesc.ToDescriptorProto(m.Descriptor().Input()), protodesc.ToDescriptorProto(other.Descriptor().Input())), m.Name)
					require.Equal(t, s.Methods[j].Import(), got.Services[i].Methods[j].Import())
					m.Descriptor, other.Descriptor = nil, nil
					require.Equal(t, m, other)
				}
			}
		})
	}
}

func configType(d pluginsdk.Description) string {
	if d.Config == nil {
		return ""
	}
	return string(d.Config.ProtoReflect().Descriptor().FullName())
}

// TestProcess: the guests of the examples work when their plugins are in processes.
func TestProcess(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		config proto.Message
		args   []string
		want   string
	}{
		"file": {&filev1.FileConfig{Root: t.TempDir()}, nil, "12. deleted  the file and its directory"},
		"queue": {
			&queuev1.QueueConfig{Database: t.TempDir() + "/queues.db", VisibilityTimeout: durationpb.New(time.Second)},
			[]string{"200"},
			"lost     none: all 200 are done",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			host := plugintest.Engine(t, eng.WithCallBudget(time.Minute))
			path, env := program(t, name)
			require.NoError(t, pluginsdk.Start(t.Context(), host, process.Plugin(path, env), pluginsdk.WithConfig(tt.config)))
			guest := plugintest.Guest(t, host, "../../examples/"+name+"/guest")
			var out bytes.Buffer
			code, err := guest.Run(t.Context(), eng.WithArgs(tt.args...), eng.WithStdout(&out), eng.WithStderr(&out))
			require.NoError(t, err, out.String())
			require.Zero(t, code, out.String())
			require.Contains(t, out.String(), tt.want)
		})
	}
}
