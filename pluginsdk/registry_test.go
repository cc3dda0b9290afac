package pluginsdk_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
)

func TestRegister(t *testing.T) {
	t.Parallel()
	p := pluginsdk.InitFunc(func(context.Context, eng.Engine) bool { return true })
	var all sync.WaitGroup
	for _, name := range []string{"registry b", "registry a"} {
		all.Go(func() { pluginsdk.Register(name, p) })
	}
	all.Wait()
	require.Subset(t, pluginsdk.RegisteredNames(), []string{"registry a", "registry b"})
	require.IsIncreasing(t, pluginsdk.RegisteredNames())
	got, ok := pluginsdk.Registered("registry a")
	require.True(t, ok)
	require.True(t, got.Init(t.Context(), nil))
	_, ok = pluginsdk.Registered("registry c")
	require.False(t, ok)

	require.PanicsWithValue(t, "pluginsdk.Register: there is a plugin registry a already", func() { pluginsdk.Register("registry a", p) })
	require.PanicsWithValue(t, "pluginsdk.Register: the name is empty", func() { pluginsdk.Register("", p) })
	require.PanicsWithValue(t, "pluginsdk.Register: the plugin registry c is nil", func() { pluginsdk.Register("registry c", nil) })
	_, ok = pluginsdk.Registered("registry c")
	require.False(t, ok)
}
