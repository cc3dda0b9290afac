//go:build !wasip1

package syscall

import (
	"bytes"
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/plugintest"
	"github.com/iansmith/parigot/pluginsdk/process"
)

// TestMain makes the test program a plugin, too.
func TestMain(m *testing.M) {
	if process.IsPlugin() {
		process.Main(ParigotInitialize)
	}
	os.Exit(m.Run())
}

// inProcess is the plugin in a process of its own.
func inProcess(t *testing.T) pluginsdk.ParigotInit {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	return process.Plugin(self)
}

// TestProcess: guests serve and find each other when the kernel is in a process of its
// own.
func TestProcess(t *testing.T) {
	t.Parallel()
	host := newHost(t)
	require.NoError(t, pluginsdk.Start(t.Context(), host, inProcess(t)))
	all, ctx := errgroup.WithContext(t.Context())
	var out bytes.Buffer
	for _, name := range []string{"greeting", "hello"} {
		guest := plugintest.Guest(t, host, "guest/"+name)
		all.Go(func() error { return runTo(ctx, guest, name, &out) })
	}
	require.NoError(t, all.Wait())
	require.Contains(t, out.String(), "hello: fr: Bonjour, Ada!\n")
	require.Contains(t, out.String(), "UnknownLanguageError")
}

// runTo runs a guest. Of hello it keeps what that prints.
func runTo(ctx context.Context, guest *eng.Guest, name string, out *bytes.Buffer) error {
	var opts []eng.RunOption
	if name == "hello" {
		opts = append(opts, eng.WithStdout(out))
	}
	_, err := guest.Run(ctx, opts...)
	return err
}
