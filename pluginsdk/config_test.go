package pluginsdk_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/plugintest"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// picky is a plugin that takes no configuration but "good".
type picky struct{ initialised *bool }

func (p picky) Init(context.Context, eng.Engine) bool {
	*p.initialised = true
	return true
}

func (picky) CheckConfig(ctx context.Context) error {
	config := new(wrapperspb.StringValue)
	if err := pluginsdk.ReadConfig(ctx, config); err != nil {
		return err
	}
	switch config.Value {
	case "good":
		return nil
	case "panic":
		panic("oh")
	}
	return status.Errorf(status.InvalidArgument, "%q is bad: set it to good", config.Value)
}

// TestCheckConfig: a bad configuration is found without Init, and before it.
func TestCheckConfig(t *testing.T) {
	t.Parallel()
	var initialised bool
	p, careless := picky{&initialised}, pluginsdk.InitFunc(func(context.Context, eng.Engine) bool { return true })
	describe := func() pluginsdk.Description { return pluginsdk.Description{} }
	for name, plugin := range map[string]pluginsdk.ParigotInit{
		"itself": p, "described": pluginsdk.Described(p, describe), "of all": pluginsdk.InitAll(careless, p),
		"of all described": pluginsdk.InitAll(pluginsdk.Described(careless, describe), pluginsdk.Described(p, describe)),
	} {
		require.True(t, pluginsdk.ChecksConfig(plugin), name)
		for config, want := range map[string]string{
			"good": "", "": `INVALID_ARGUMENT: "" is bad`, "odd": `INVALID_ARGUMENT: "odd" is bad: set it to good`, "panic": "panic in CheckConfig: oh",
		} {
			initialised = false
			host := plugintest.Engine(t)
			checked := pluginsdk.CheckConfig(t.Context(), plugin, wrapperspb.String(config))
			require.False(t, initialised)
			started := pluginsdk.Start(t.Context(), host, plugin, pluginsdk.WithConfig(wrapperspb.String(config)))
			require.Equal(t, want == "", initialised, "Init comes after the check")
			if want == "" {
				require.NoError(t, checked)
				require.NoError(t, started)
			} else {
				require.ErrorContains(t, checked, want)
				require.ErrorContains(t, started, want)
			}
			require.NoError(t, host.Close(context.Background()))
		}
		require.ErrorContains(t, pluginsdk.CheckConfig(t.Context(), plugin, nil), "is bad", name)
		require.ErrorContains(t, pluginsdk.CheckConfig(t.Context(), plugin, wrapperspb.Bool(true)), "the host gave a google.protobuf.BoolValue")
	}
	require.False(t, pluginsdk.ChecksConfig(careless))
	require.NoError(t, pluginsdk.CheckConfig(t.Context(), careless, nil))
}
