package pluginsdk_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/pluginsdk"
)

func TestManufactureHostContext(t *testing.T) {
	t.Parallel()
	type key struct{}
	parent := context.WithValue(context.Background(), key{}, "kept")
	require.Empty(t, pluginsdk.FuncName(parent))
	require.Empty(t, pluginsdk.ContextSource(parent))
	ctx, cancel := context.WithCancel(pluginsdk.ManufactureHostContext(parent, "file.v1.File.Open"))
	defer cancel()
	require.Equal(t, "file.v1.File.Open", pluginsdk.FuncName(ctx))
	require.Equal(t, pluginsdk.ServerGo, pluginsdk.ContextSource(ctx))
	require.Equal(t, "kept", ctx.Value(key{}))
	_, ok := ctx.Deadline()
	require.False(t, ok)
}
