package deploy

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/iansmith/parigot/pluginsdk/parigotpb/deploymentpb"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// TestNotRegistered: who runs the wrong program learns which one to run.
func TestNotRegistered(t *testing.T) {
	t.Parallel()
	err := notRegistered("hello")
	require.Equal(t, status.NotFound, status.CodeOf(err))
	require.ErrorContains(t, err, "in a project of parigot new: make build, then build/host check")
	require.ErrorContains(t, err, "or set placement to process or so, and path")
}

// TestTooSlow: the remedy is for processes that were too slow, and for nothing else.
func TestTooSlow(t *testing.T) {
	t.Parallel()
	late := status.Error(status.DeadlineExceeded, "late")
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		ctx         context.Context
		placement   string
		timeout     *durationpb.Duration
		err         error
		field, want string
	}{
		{t.Context(), "process", nil, late, ".path", ": its start_timeout is 10s: set a longer one if it needs more time"},
		{t.Context(), "process", durationpb.New(time.Minute), late, ".start_timeout", ": its start_timeout is 1m0s: set a longer one if it needs more time"},
		{t.Context(), "process", nil, status.Error(status.Aborted, "it crashed"), "", ""},
		{t.Context(), "so", nil, late, "", ""},
		{over, "process", nil, late, "", ""},
	} {
		field, err := tooSlow(tt.ctx, &deploymentpb.Plugin{Placement: tt.placement, StartTimeout: tt.timeout}, tt.err)
		require.Equal(t, tt.field, field)
		require.ErrorIs(t, err, tt.err)
		require.EqualError(t, err, tt.err.Error()+tt.want)
	}
	field, err := tooSlow(t.Context(), &deploymentpb.Plugin{Placement: "process"}, nil)
	require.NoError(t, err)
	require.Empty(t, field)
}
