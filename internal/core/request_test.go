package core_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero/api"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/internal/instance"
	"github.com/iansmith/parigot/pluginsdk/parigotimpl"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// list calls a bridge whose request is a list, with the request at 0 and a response buffer of
// 1 KiB at 48 KiB.
func (b *bench) list(request []byte, impl func()) (code int32, s *status.Status) {
	require.True(b.t, b.m.Memory().Write(0, request))
	server, err := parigotimpl.Handle(
		func(impl func(), _ context.Context, _ *structpb.ListValue) (bytesValue, error) {
			impl()
			return nil, nil
		},
		func(impl func(), _ context.Context, _ *structpb.ListValue, _ bytesValue) error { impl(); return nil },
		func(ctx context.Context, h *parigotimpl.Handler[*structpb.ListValue, bytesValue], m api.Module, stack []uint64) {
			req, resp := h.Messages(ctx)
			core.Stack(ctx, "test.v1.Test.Call", m, stack, h.Serve, req, resp)
		}).Bind(impl, &core.Method{FullName: "test.v1.Test.Call", MayBlock: b.mayBlock}, false)
	require.NoError(b.t, err)
	const respAt = 48 << 10
	stack := []uint64{0, uint64(len(request)), respAt, 1 << 10}
	server.Stack(b.ctx, b.m, stack)
	code, n := abi.Split(stack[0])
	if code < 0 && code != abi.Pending {
		s = b.statusAt(code, respAt, n)
	}
	return code, s
}

// TestRequestThatGrows: two bytes are an element of the list. A request over the limit is
// refused before it is decoded, one below it counts against the account of the instance for
// as long as the call goes on, and one for which the account has no room is refused.
func TestRequestThatGrows(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.state.Account = instance.NewAccount(600 << 10)
	b.state.Calls = instance.NewCalls(10, b.state.Account, &b.busy)
	unwanted := func() { t.Error("the implementation ran") }

	code, s := b.list(bytes.Repeat([]byte{10, 0}, 15<<10), unwanted)
	require.ErrorIs(t, s, status.Of(status.ResourceExhausted), code)
	require.ErrorContains(t, s, "test.v1.Test.Call: the request takes more than 1048576 bytes when it is decoded as google.protobuf.ListValue (max_decoded)")

	elements := bytes.Repeat([]byte{10, 0}, 3<<10) // some 400 KiB
	held := uint64(0)
	code, _ = b.list(elements, func() { held = b.state.Account.Held() })
	require.Zero(t, code)
	require.Greater(t, held, uint64(200<<10))
	require.Zero(t, b.state.Account.Held())

	b.mayBlock = true
	release := make(chan struct{})
	code, _ = b.list(elements, func() { <-release })
	require.Equal(t, abi.Pending, code)
	require.GreaterOrEqual(t, b.state.Account.Held(), held)
	code, s = b.list(elements, unwanted)
	require.ErrorIs(t, s, status.Of(status.ResourceExhausted), code)
	require.ErrorContains(t, s, "host_memory_limit")
	close(release)
	code, _ = b.await()
	require.Zero(t, code)
	require.Zero(t, b.state.Account.Held())

	code, s = b.list(bytes.Repeat([]byte{0xff}, 1000), unwanted)
	require.ErrorIs(t, s, status.Of(status.InvalidArgument), code)
}
