//go:build !wasip1

package calltest

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/examples/syscall"
	guestskeletonv1 "github.com/iansmith/parigot/internal/gen/testdata/guest_skeleton/v1"
	"github.com/iansmith/parigot/internal/gen/testdata/guest_skeleton/v1/guestskeletonv1parigot"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/plugintest"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// TestSkeletonServes runs the guest that guest_impl writes, as it is: all its services are
// served, and its stubs answer. A guest that cannot serve says why.
func TestSkeletonServes(t *testing.T) {
	t.Parallel()
	var guests pluginsdk.Dispatcher
	host := plugintest.Engine(t)
	require.NoError(t, pluginsdk.Start(t.Context(), host, syscall.ParigotInitialize, pluginsdk.WithDispatcher(&guests)))
	wasm := plugintest.Build(t, "../testdata/guest_skeleton/served/guest")
	first := plugintest.Guest(t, host, wasm)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = first.Run(ctx) // it is stopped
	}()

	req := new(guestskeletonv1.GetRequest)
	_, err := guestskeletonv1parigot.NewHTTPFilesClient(guests).Get(t.Context(), req)
	require.ErrorIs(t, err, status.Of(status.Unimplemented))
	require.ErrorContains(t, err, "guest_skeleton.HTTPFiles.Get is not implemented")
	_, err = guestskeletonv1parigot.NewLinuxClient(guests).Started(t.Context(), req)
	require.ErrorContains(t, err, "guest_skeleton.Linux.Started is not implemented")

	second, err := host.Compile(t.Context(), "second", wasm)
	require.NoError(t, err)
	var said plugintest.Output
	code, err := second.Run(t.Context(), eng.WithStderr(&said))
	require.NoError(t, err)
	require.Equal(t, uint32(1), code)
	require.Contains(t, said.String(), "ServiceAlreadyClosedOrExported")
	stop()
	<-ended
}
