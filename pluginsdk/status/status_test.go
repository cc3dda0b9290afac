package status_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/typepb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/iansmith/parigot/pluginsdk/status"
)

// The error enums of two services; any enums will do.
const (
	ours   = typepb.Field_TYPE_FLOAT     // 2 of google.protobuf.Field.Kind
	theirs = typepb.Syntax_SYNTAX_PROTO3 // 1 of google.protobuf.Syntax
)

func TestZeroIsSuccess(t *testing.T) {
	t.Parallel()
	require.NoError(t, status.Error(typepb.Field_TYPE_UNKNOWN, "no error"))
	require.NoError(t, status.Wrap(status.OK, errors.New("cause"), "no error"))
	require.Equal(t, status.OK, status.CodeOf(nil))
}

func TestIs(t *testing.T) {
	t.Parallel()
	cause := errors.New("cause")
	err := fmt.Errorf("context: %w", status.Wrap(ours, cause, "message"))
	require.ErrorIs(t, err, status.Of(ours))
	require.ErrorIs(t, err, cause)
	require.NotErrorIs(t, err, status.Of(typepb.Field_TYPE_DOUBLE), "another value")
	require.NotErrorIs(t, status.Error(typepb.Field_TYPE_DOUBLE, ""), status.Of(typepb.Syntax_SYNTAX_PROTO3), "the same number of another enum")
	require.Equal(t, "context: TYPE_FLOAT: message: cause", err.Error())
	require.Equal(t, "google.protobuf.Field.Kind(99)", status.Error(typepb.Field_Kind(99), "").Error())
}

func TestContextErrors(t *testing.T) {
	t.Parallel()
	for err, code := range map[error]status.Code{
		context.DeadlineExceeded: status.DeadlineExceeded,
		context.Canceled:         status.Cancelled,
	} {
		s, ok := status.From(fmt.Errorf("wait: %w", err))
		require.True(t, ok)
		require.ErrorIs(t, s, err)
		require.ErrorIs(t, s, status.Of(code))
		require.Equal(t, code, status.CodeOf(err))
	}
	_, ok := status.From(errors.New("plain"))
	require.False(t, ok)
	require.Equal(t, status.Unknown, status.CodeOf(errors.New("plain")))
	require.Equal(t, status.Unknown, status.CodeOf(status.Error(ours, "")))
}

func TestWireRoundTrip(t *testing.T) {
	t.Parallel()
	detailed, err := status.WithDetails(status.Error(ours, "message"), wrapperspb.String("more"))
	require.NoError(t, err)
	for _, err := range []error{
		status.Error(ours, "message"),
		status.Error(theirs, ""),
		status.Error(status.NotFound, "message"),
		status.Error(typepb.Field_Kind(99), "no name"),
		detailed,
	} {
		want, _ := status.From(err)
		code, ok := want.WireCode()
		require.True(t, ok)
		b, err := proto.Marshal(want.Proto())
		require.NoError(t, err)
		p := new(spb.Status)
		require.NoError(t, proto.Unmarshal(b, p))
		got := status.FromProto(code, p)
		require.Equal(t, want.Error(), got.Error())
		require.Equal(t, want.Enum(), got.Enum())
		require.Equal(t, want.Number(), got.Number())
		require.Len(t, got.Details(), len(want.Details()))
		require.ErrorIs(t, got, want)
	}
}

func TestWireCodesThatCannotBe(t *testing.T) {
	t.Parallel()
	for _, err := range []error{status.Error(typepb.Field_Kind(-1), ""), status.Error(status.Code(-1), ""), status.Of(status.OK)} {
		s, _ := status.From(err)
		_, ok := s.WireCode()
		require.False(t, ok)
	}
}

func TestFromProtoTakesWhatComes(t *testing.T) {
	t.Parallel()
	require.Equal(t, "NOT_FOUND", status.FromProto(-5, nil).Error())
	require.Equal(t, "google.rpc.Code(4711): hm", status.FromProto(-4711, &spb.Status{Message: "hm"}).Error())
	require.Equal(t, "(7)", status.FromProto(7, new(spb.Status)).Error())
	broken := &anypb.Any{TypeUrl: "type.googleapis.com/google.rpc.ErrorInfo", Value: []byte{0xff}}
	require.Len(t, status.FromProto(7, &spb.Status{Details: []*anypb.Any{broken, nil}}).Details(), 2)
	liar, err := anypb.New(&errdetails.ErrorInfo{Domain: "google.rpc.Code", Reason: "NOT_FOUND"})
	require.NoError(t, err)
	require.NotErrorIs(t, status.FromProto(5, &spb.Status{Details: []*anypb.Any{liar}}), status.Of(status.NotFound),
		"a positive code is never a canonical one")
}

func TestWithDetails(t *testing.T) {
	t.Parallel()
	err := status.Error(ours, "message")
	_, failed := status.WithDetails(errors.New("plain"), wrapperspb.String("more"))
	require.Error(t, failed)
	_, failed = status.WithDetails(err, wrapperspb.String("\xff"))
	require.ErrorContains(t, failed, "detail")
	more, failed := status.WithDetails(err, wrapperspb.String("more"))
	require.NoError(t, failed)
	s, _ := status.From(more)
	require.Len(t, s.Details(), 1)
	s, _ = status.From(err)
	require.Empty(t, s.Details(), "errors are immutable")
}
