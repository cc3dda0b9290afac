package eng_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/pluginsdk/eng"
)

// TestLargeResponses: a guest of 256 MiB that keeps no responses gets large ones for ever,
// after others of other sizes.
func TestLargeResponses(t *testing.T) {
	t.Parallel()
	for _, call := range []string{"plain", "default", "borrowed"} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			args := strings.Fields("CALL 15 10000000 CALL 8 20000000 CALL 8 30000000 CALL 5 1000000 CALL 8 30000000")
			for i := range args {
				args[i] = strings.Replace(args[i], "CALL", call, 1)
			}
			code, err := newEcho(t, false).Run(t.Context(), eng.WithArgs(args...), eng.WithStdout(&out), eng.WithStderr(&out))
			require.NoError(t, err)
			require.Zero(t, code, out.String())
		})
	}
}

// TestTooLargeResponses: what does not fit into the guest is an error.
func TestTooLargeResponses(t *testing.T) {
	t.Parallel()
	for _, call := range []string{"plain", "default"} {
		var out bytes.Buffer
		g := newEcho(t, false, eng.GuestMemoryLimit(128<<20))
		code, err := g.Run(t.Context(), eng.WithArgs(call, "3", "50000000"), eng.WithStdout(&out), eng.WithStderr(&out))
		require.NoError(t, err)
		require.EqualValues(t, 1, code, out.String())
		require.Contains(t, out.String(), "RESOURCE_EXHAUSTED: the response has ")
		require.Contains(t, out.String(), "and the guest has no memory for it: raise its memory_limit")
	}
}
