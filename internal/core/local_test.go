package core_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/internal/metadata"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// TestInvoke: a caller in the same process gets what a guest would.
func TestInvoke(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	m := &core.Method{FullName: "test.v1.Test.Call"}
	local := func(impl func(context.Context, bytesValue, bytesValue) error) (*wrapperspb.BytesValue, error) {
		req, resp := wrapperspb.Bytes([]byte("ping")), new(wrapperspb.BytesValue)
		err := core.Invoke(b.ctx, serverOf(t, impl, m), req, resp)
		require.Equal(t, "ping", string(req.GetValue()), "a request is copied")
		return resp, err
	}
	resp, err := local(func(_ context.Context, req, resp bytesValue) error {
		resp.Value = req.GetValue()
		resp.Value[0] = 'P'
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, "Ping", string(resp.GetValue()))
	m = &core.Method{FullName: m.FullName, Budget: time.Hour}
	_, err = local(func(ctx context.Context, _, _ bytesValue) error {
		deadline, _ := ctx.Deadline()
		require.Greater(t, time.Until(deadline), time.Minute)
		return nil
	})
	require.NoError(t, err)

	cause := errors.New("secret of the host")
	_, err = local(func(context.Context, bytesValue, bytesValue) error {
		return status.Wrap(protoErr(3), cause, "no such file")
	})
	require.ErrorIs(t, err, status.Of(protoErr(3)))
	require.NotErrorIs(t, err, cause, "what a guest does not see, a local caller does not either")

	_, err = local(func(context.Context, bytesValue, bytesValue) error { panic(cause) })
	require.ErrorIs(t, err, status.Of(status.Internal))
	require.NotContains(t, err.Error(), "secret")
	require.Contains(t, b.log.String(), "secret")

	// A call within a call passes on the metadata of the outer one, and leaves
	// the header of the guest's next call alone.
	b.state.Next.Call = &parigotpb.CallHeader{Metadata: map[string]string{"traceparent": "00-1"}}
	code, _ := b.call(func(ctx context.Context, _, _ bytesValue) error {
		b.ctx, b.state.Next.Call = ctx, &parigotpb.CallHeader{Metadata: map[string]string{"traceparent": "00-2"}}
		_, err := local(func(ctx context.Context, _, _ bytesValue) error {
			require.Equal(t, "00-1", metadata.Of(ctx)["traceparent"])
			return nil
		})
		return err
	})
	require.Zero(t, code)
	require.NotNil(t, b.state.Next.Call)
}
