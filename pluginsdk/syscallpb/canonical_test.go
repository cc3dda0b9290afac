package syscallpb_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/pluginsdk/status"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

func TestCanonical(t *testing.T) {
	t.Parallel()
	err := syscallpb.Canonical(status.Error(syscallpb.KernelErr_CallerUnavailable, "greeting has ended"))
	require.Equal(t, status.Unavailable, status.CodeOf(err))
	require.ErrorIs(t, err, status.Of(syscallpb.KernelErr_CallerUnavailable))
	require.ErrorContains(t, err, "greeting has ended")
	require.Equal(t, status.Internal, status.CodeOf(syscallpb.Canonical(status.Error(syscallpb.KernelErr_BadCallId, ""))))
	require.Equal(t, status.Cancelled, status.CodeOf(syscallpb.Canonical(context.Canceled)))
	require.NoError(t, syscallpb.Canonical(nil))
	for _, other := range []error{errors.New("other"), status.Error(status.NotFound, "other")} {
		require.Equal(t, other, syscallpb.Canonical(other))
	}
}
