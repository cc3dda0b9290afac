package eng_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero/api"

	"github.com/iansmith/parigot/internal/guesttest"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/status"
)

func TestCloseStopsGuests(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	g := compile(t, h)
	var order []string
	h.OnClose(func(context.Context) error { order = append(order, "plugin"); return nil })
	h.OnGuestExit(func(context.Context, eng.Caller) { order = append(order, "guest") })
	h.OnGuestExit(func(context.Context, eng.Caller) { panic("a plugin's fault") })
	started := make(signal)
	ended := make(chan error)
	go func() {
		_, err := g.Run(t.Context(), eng.WithArgs("spin"), eng.WithStdout(started))
		ended <- err
	}()
	<-started
	require.NoError(t, h.Close(t.Context()))
	require.ErrorIs(t, <-ended, status.Of(status.Unavailable))
	require.Equal(t, []string{"guest", "plugin"}, order)
	_, err := g.Run(t.Context())
	require.ErrorIs(t, err, status.Of(status.Unavailable))
	_, err = h.Compile(t.Context(), "late", importer)
	require.ErrorIs(t, err, status.Of(status.Unavailable))
}

// signal is a writer that tells that something was written.
type signal chan struct{}

func (s signal) Write(p []byte) (int, error) {
	close(s)
	return len(p), nil
}

func TestCloseEndsLibrariesThatNobodyClosed(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	g, err := h.Compile(t.Context(), "library", guesttest.Build(t, "testdata/reactor", "-buildmode=c-shared"))
	require.NoError(t, err)
	i, err := g.Instantiate(t.Context())
	require.NoError(t, err)
	require.NoError(t, h.Close(t.Context()))
	_, err = i.Call(t.Context(), "add", 1)
	require.ErrorIs(t, err, status.Of(status.Unavailable))
	require.NoError(t, i.Close(t.Context()))
	_, err = g.Instantiate(t.Context())
	require.ErrorIs(t, err, status.Of(status.Unavailable))
}

func TestCloseWaitsForCallsThatDoNotWatchTheirContext(t *testing.T) {
	t.Parallel()
	h, err := eng.New(t.Context(), eng.WithCacheDir(guesttest.CacheDir(t)))
	require.NoError(t, err)
	entered, release := make(chan struct{}), make(chan struct{})
	require.NoError(t, h.Register(t.Context(), eng.HostModule{Name: "test.v1.Test", Functions: []eng.Function{{
		Name: "Echo",
		Call: func(context.Context, api.Module, []uint64) {
			close(entered)
			<-release
		},
	}}}))
	g := compile(t, h)
	ended := make(chan error)
	go func() {
		_, err := g.Run(context.Background(), eng.WithArgs("echo"))
		ended <- err
	}()
	<-entered
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorContains(t, h.Close(ctx), "guests still run")
	close(release)
	require.NoError(t, h.Close(t.Context()), "it may be closed again")
	require.ErrorIs(t, <-ended, status.Of(status.Unavailable))
}
