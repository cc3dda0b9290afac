//go:build !wasip1

package kernel_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/pluginsdk/guest"
	"github.com/iansmith/parigot/pluginsdk/guest/kernel"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// TestOutsideOfAGuest: where there is no kernel, everything is UNIMPLEMENTED.
func TestOutsideOfAGuest(t *testing.T) {
	t.Parallel()
	err := kernel.Serve(t.Context(), guest.Service{Name: "a.A", Impl: 1})
	require.ErrorIs(t, err, status.Of(status.Unimplemented))
	_, err = kernel.Locate(t.Context(), "a.A")
	require.ErrorIs(t, err, status.Of(status.Unimplemented))
	require.ErrorIs(t, kernel.Exit(t.Context(), 0), status.Of(status.Unimplemented))
}
