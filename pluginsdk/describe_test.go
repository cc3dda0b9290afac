package pluginsdk_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	filev1 "github.com/iansmith/parigot/examples/file/gen/file/v1"
	"github.com/iansmith/parigot/examples/file/gen/file/v1/filev1parigot"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
)

func TestDescribe(t *testing.T) {
	t.Parallel()
	services := func(p pluginsdk.ParigotInit) (names []string) {
		for _, s := range p.(pluginsdk.Describer).Describe().Services {
			names = append(names, s.Name)
		}
		return names
	}
	plain := pluginsdk.InitFunc(func(context.Context, eng.Engine) bool { return true })
	one := pluginsdk.Described(plain, func() pluginsdk.Description {
		return pluginsdk.Description{Services: []pluginsdk.Service{{Name: "one"}}}
	})
	two := pluginsdk.Described(plain, func() pluginsdk.Description {
		return pluginsdk.Description{Services: []pluginsdk.Service{{Name: "two"}}, Config: new(filev1.FileConfig)}
	})
	all := pluginsdk.InitAll(one, two)
	require.Equal(t, []string{"one", "two"}, services(all))
	require.Equal(t, []string{"one", "two"}, services(all), "it has no effects")
	require.IsType(t, new(filev1.FileConfig), all.(pluginsdk.Describer).Describe().Config)
	require.True(t, all.Init(t.Context(), nil))
	_, ok := pluginsdk.InitAll(one, plain).(pluginsdk.Describer)
	require.False(t, ok, "of plain, nothing is known")
}

// registered keeps what a plugin registers.
type registered struct {
	eng.Engine
	modules []eng.HostModule
}

func (r *registered) Register(_ context.Context, m eng.HostModule) error {
	r.modules = append(r.modules, m)
	return nil
}

// TestDescribeIsWhatIsRegistered: the generated description of a service and what is
// registered for it are the same.
func TestDescribeIsWhatIsRegistered(t *testing.T) {
	t.Parallel()
	described := filev1parigot.File_ServiceDesc
	var got registered
	require.NoError(t, filev1parigot.RegisterFile(t.Context(), &got, filev1parigot.UnimplementedFileServer{}))
	require.Len(t, got.modules, 1)
	require.Equal(t, described.ImportModule(), got.modules[0].Name)
	require.Len(t, got.modules[0].Functions, len(described.Methods))
	for i, f := range got.modules[0].Functions {
		m := described.Bound(i)
		require.Equal(t, described.Methods[i].Import(), f.Name)
		require.EqualValues(t, f.Method, m.Descriptor().FullName())
		require.EqualValues(t, f.Method, f.Descriptor().FullName())
		require.NotNil(t, f.Call)
		require.NotNil(t, f.Server)
	}
}
