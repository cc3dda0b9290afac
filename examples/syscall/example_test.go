//go:build !wasip1

package syscall_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/iansmith/parigot/examples/syscall"
	greetingv1 "github.com/iansmith/parigot/examples/syscall/gen/greeting/v1"
	"github.com/iansmith/parigot/examples/syscall/gen/greeting/v1/greetingv1parigot"
	"github.com/iansmith/parigot/internal/guesttest"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/plugintest"
)

// runAll is in docs/guests.md. It runs guests until all of them have ended; when one of them
// fails, it stops the others.
func runAll(ctx context.Context, host *eng.Host, guests map[string][]byte, stdout io.Writer) error {
	if err := pluginsdk.Start(ctx, host, syscall.ParigotInitialize); err != nil {
		return err
	}
	all, ctx := errgroup.WithContext(ctx)
	for name, wasm := range guests {
		all.Go(func() error {
			guest, err := host.Compile(ctx, name, wasm)
			if err != nil {
				return err
			}
			exitCode, err := guest.Run(ctx, eng.WithStdout(stdout), eng.WithStderr(os.Stderr))
			if err == nil && exitCode != 0 {
				err = fmt.Errorf("the guest %s exited with %d", name, exitCode)
			}
			return err
		})
	}
	return all.Wait()
}

func TestHostRunsGuests(t *testing.T) {
	t.Parallel()
	var out plugintest.Output
	require.NoError(t, runAll(t.Context(), plugintest.Host(t), map[string][]byte{
		"greeting": guesttest.Build(t, "guest/greeting"), "hello": guesttest.Build(t, "guest/hello"),
	}, &out))
	for _, line := range []string{"serves\n", "fr: Bonjour, Ada!\n", "asks all guests to end\n", "ends\n"} {
		require.Contains(t, out.String(), line)
	}

	// One that fails ends the other, which waits.
	err := runAll(t.Context(), plugintest.Host(t), map[string][]byte{
		"greeting": guesttest.Build(t, "testdata/servingguest"), "hello": guesttest.Build(t, "guest/hello"),
	}, io.Discard)
	require.EqualError(t, err, "the guest greeting exited with 2", "without an argument it panics")
}

// greetFromHost is in docs/guests.md. greeting runs a guest.
func greetFromHost(ctx context.Context, host *eng.Host, greeting func()) (string, error) {
	var guests pluginsdk.Dispatcher
	err := pluginsdk.Start(ctx, host, syscall.ParigotInitialize, pluginsdk.WithDispatcher(&guests))
	if err != nil {
		return "", err
	}
	go greeting()
	client := greetingv1parigot.NewGreetingClient(guests)
	resp, err := client.Greet(ctx, &greetingv1.GreetRequest{Language: "it", Name: "host"})
	return resp.GetText(), err
}

func TestHostGreets(t *testing.T) {
	t.Parallel()
	host := plugintest.Host(t)
	guest := plugintest.Guest(t, host, "guest/greeting")
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
}
