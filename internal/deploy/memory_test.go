package deploy

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/parigotpb/deploymentpb"
)

func TestMemoryLimitFollowsFromLimits(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	f := &File{Deployment: &deploymentpb.Deployment{Guests: []*deploymentpb.Guest{{}}}}
	require.EqualValues(t, (64+512+256+2*64)*mib, f.MemoryLimit(), "the defaults")
	f.Deployment = &deploymentpb.Deployment{
		Engine: &deploymentpb.Engine{CompileMemory: proto.Uint64(100 * mib), StackLimit: proto.Uint64(10 * mib)},
		Guests: []*deploymentpb.Guest{
			{Replicas: proto.Uint32(3), HostMemoryLimit: proto.Uint64(7 * mib)},
			{HostMemoryLimit: proto.Uint64(9 * mib), StackLimit: proto.Uint64(1 * mib)},
		},
	}
	require.EqualValues(t, (64+100+3*(7+20)+9+2)*mib, f.MemoryLimit())
}

// TestMemoryLimitCountsModules: each file counts once for guests that share its code.
func TestMemoryLimitCountsModules(t *testing.T) {
	t.Parallel()
	f := &File{dir: t.TempDir(), Deployment: &deploymentpb.Deployment{Guests: []*deploymentpb.Guest{
		{Wasm: "a.wasm"}, {Wasm: "./a.wasm"}, {Wasm: "b.wasm"}, {Wasm: "b.wasm", Trusted: true}, {Wasm: "missing.wasm"},
	}}}
	none := f.MemoryLimit()
	for name, size := range map[string]int64{"a.wasm": 10 << 20, "b.wasm": 3 << 20} {
		path := f.Resolve(name)
		require.NoError(t, os.WriteFile(path, nil, 0o600))
		require.NoError(t, os.Truncate(path, size))
	}
	require.EqualValues(t, moduleHeap*(16<<20), f.MemoryLimit()-none)
}

// TestModuleFileTooLarge: it is refused before it is read.
func TestModuleFileTooLarge(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "app.wasm")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	require.NoError(t, os.Truncate(path, eng.MaxModule+1))
	f := &File{Deployment: new(deploymentpb.Deployment)}
	text, field, why := f.module(&deploymentpb.Guest{Wasm: path})
	require.Empty(t, text)
	require.Equal(t, "wasm", field)
	require.Contains(t, why, "has more than 268435456 bytes, which is MaxModule")
}
