//go:build !wasip1

package syscall_test

import (
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/examples/syscall"
	greetingv1 "github.com/iansmith/parigot/examples/syscall/gen/greeting/v1"
	"github.com/iansmith/parigot/examples/syscall/gen/greeting/v1/greetingv1parigot"
	"github.com/iansmith/parigot/internal/guesttest"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
)

// greetFromHost is in docs/guests.md. greeting runs a guest.
func greetFromHost(ctx context.Context, host *eng.Host, greeting func()) (string, error) {
	var guests pluginsdk.Dispatcher
	err := pluginsdk.Start(ctx, host, syscall.ParigotInitialize, pluginsdk.WithDispatcher(&guests))
	if err != nil {
		return "", err
	}
	go greeting()
	client := greetingv1parigot.NewGreetingHostClient(guests)
	resp, err := client.Greet(ctx, &greetingv1.GreetRequest{Language: "it", Name: "host"})
	return resp.GetText(), err
}

func TestHostGreets(t *testing.T) {
	t.Parallel()
	host, err := eng.New(t.Context(), eng.WithCacheDir(guesttest.CacheDir(t)), eng.WithLogger(slog.New(slog.DiscardHandler)))
	require.NoError(t, err)
	guest, err := host.Compile(t.Context(), "greeting", guesttest.Build(t, "guest/greeting"))
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	text, err := greetFromHost(t.Context(), host, func() {
		defer close(ended)
		_, _ = guest.Run(ctx) // it is stopped
	})
	require.NoError(t, err)
	require.Equal(t, "Buongiorno, host!", text)
	stop()
	<-ended
	require.NoError(t, host.Close(t.Context()))
}
