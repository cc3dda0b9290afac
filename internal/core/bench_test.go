package core_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/iansmith/parigot/internal/core"
	echov1 "github.com/iansmith/parigot/pluginsdk/testdata/gen/echo/v1"
)

// BenchmarkBridge measures the host's side of a call, without guest code, and the
// same messages encoded and decoded natively beside it. It reports the ratio.
func BenchmarkBridge(b *testing.B) {
	for _, size := range []int{16, 1 << 10, 16 << 10} {
		payload := make([]byte, size)
		b.Run(fmt.Sprintf("%dB/bridge", size), func(b *testing.B) {
			benchBridge(b, payload)
		})
		b.Run(fmt.Sprintf("%dB/native", size), func(b *testing.B) {
			benchNative(b, payload)
		})
	}
}

// BenchmarkBorrow is BenchmarkBridge for an implementation that borrows and fills responses.
func BenchmarkBorrow(b *testing.B) {
	bn := newBench(b)
	bridge := borrowed(b, &sender{do: func(_ context.Context, req *echov1.SendRequest, resp *echov1.SendResponse) error {
		resp.Payload = req.GetPayload()
		return nil
	}})
	wire, err := proto.Marshal(&echov1.SendRequest{Payload: make([]byte, 16)})
	require.NoError(b, err)
	require.True(b, bn.m.Memory().Write(0, wire))
	stack := make([]uint64, 4)
	b.ReportAllocs()
	for b.Loop() {
		stack[0], stack[1], stack[2], stack[3] = 0, uint64(len(wire)), 32<<10, 4096
		bridge(bn.ctx, bn.m, stack)
	}
	require.Zero(b, int32(stack[0]>>32))
}

func benchBridge(b *testing.B, payload []byte) {
	bn := newBench(b)
	n := uint64(bn.request(0, payload))
	server := serverOf(b, echo, &core.Method{FullName: "test.v1.Test.Call"})
	stack := make([]uint64, 4)
	b.ReportAllocs()
	for b.Loop() {
		stack[0], stack[1], stack[2], stack[3] = 0, n, 32<<10, 32<<10
		server.Stack(bn.ctx, bn.m, stack)
	}
	require.Equal(b, n, stack[0])
}

func benchNative(b *testing.B, payload []byte) {
	req, err := proto.Marshal(wrapperspb.Bytes(payload))
	require.NoError(b, err)
	dst := make([]byte, 0, 2*len(req))
	b.ReportAllocs()
	for b.Loop() {
		t, u := new(wrapperspb.BytesValue), new(wrapperspb.BytesValue)
		if err := proto.Unmarshal(req, t); err != nil {
			b.Fatal(err)
		}
		u.Value = t.Value
		if dst, err = (proto.MarshalOptions{}).MarshalAppend(dst[:0], u); err != nil {
			b.Fatal(err)
		}
	}
}
