package wirestatus_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/iansmith/parigot/internal/wirestatus"
	"github.com/iansmith/parigot/pluginsdk/status"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

// TestCoded: the errors of contexts get their codes, and others stay.
func TestCoded(t *testing.T) {
	t.Parallel()
	require.NoError(t, wirestatus.Coded(nil))
	for _, err := range []error{context.Canceled, context.DeadlineExceeded} {
		_, coded := errors.AsType[*status.Status](wirestatus.Coded(err))
		require.True(t, coded)
		require.ErrorIs(t, wirestatus.Coded(err), err)
	}
	plain := errors.New("plain")
	require.Same(t, plain, wirestatus.Coded(plain))
}

// TestCrossing: an error crosses if it has a code that the other side cannot take for another.
func TestCrossing(t *testing.T) {
	t.Parallel()
	s, why := wirestatus.Crossing(fmt.Errorf("in here: %w", status.Error(status.NotFound, "gone")))
	require.NoError(t, why)
	require.Equal(t, "gone", s.Message())

	plain := errors.New("a secret")
	s, why = wirestatus.Crossing(plain)
	require.Nil(t, s)
	require.Same(t, plain, why)

	s, why = wirestatus.Crossing(status.Error(status.Code(-3), "below"))
	require.Nil(t, s)
	require.ErrorContains(t, why, "the code -3 of google.rpc.Code cannot be sent")
}

// TestDecode: what was sent comes back, and the code of what is no status.
func TestDecode(t *testing.T) {
	t.Parallel()
	sent := status.Error(syscallpb.KernelErr_NotReady, "not yet")
	s, why := wirestatus.Crossing(sent)
	require.NoError(t, why)
	code, _ := s.WireCode()
	body, err := proto.Marshal(s.Proto())
	require.NoError(t, err)
	got := wirestatus.Decode(code, body)
	require.ErrorIs(t, got, status.Of(syscallpb.KernelErr_NotReady))
	require.ErrorContains(t, got, "not yet")

	for _, body := range [][]byte{nil, {0xff}} {
		require.Equal(t, status.NotFound, status.CodeOf(wirestatus.Decode(-int32(status.NotFound), body)))
	}
}

// TestShorten: text and details go, but whose the code is stays.
func TestShorten(t *testing.T) {
	t.Parallel()
	long, err := status.WithDetails(status.Error(syscallpb.KernelErr_NotReady, "long"), wrapperspb.String("a detail"))
	require.NoError(t, err)
	s, _ := status.From(long)
	p := s.Proto()
	wirestatus.Shorten(p)
	code, _ := s.WireCode()
	got := status.FromProto(code, p)
	require.ErrorIs(t, got, status.Of(syscallpb.KernelErr_NotReady))
	require.Empty(t, got.Message())
	require.Empty(t, got.Details())

	p = status.FromProto(code, nil).Proto()
	p.Details = nil
	require.NotPanics(t, func() { wirestatus.Shorten(p) })
}
