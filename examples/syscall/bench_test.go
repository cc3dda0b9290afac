//go:build !wasip1

package syscall

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/pluginsdk/parigotpb"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

// BenchmarkRoundTrip measures the kernel's part of a call from guest to guest:
// Dispatch, ReadOne, ReturnValue, ReadOne. "alone" calls the kernel, "bridge" goes
// through local clients, which adds what the SDK does for four calls without
// WebAssembly.
func BenchmarkRoundTrip(b *testing.B) {
	for _, size := range []int{16, 1 << 10, 64 << 10} {
		payload := strings.Repeat("x", size)
		b.Run(fmt.Sprintf("%dB/alone", size), func(b *testing.B) { benchAlone(b, payload) })
		b.Run(fmt.Sprintf("%dB/bridge", size), func(b *testing.B) { benchBridge(b, payload) })
		b.Run(fmt.Sprintf("%dB/waiting", size), func(b *testing.B) { benchWaiting(b, payload) })
	}
}

func benchAlone(b *testing.B, payload string) {
	server, client, greeting := setup(b, nil).pair()
	k := client.kernel
	from, to := k.hosts.FindById(client.caller.ID), k.hosts.FindById(server.caller.ID)
	call := &syscallpb.DispatchRequest{ServiceId: greeting.service, MethodId: greeting.method}
	answer, value := new(syscallpb.ReturnValueRequest), text(payload)
	read := new(syscallpb.ReadOneRequest)
	b.ReportAllocs()
	for b.Loop() {
		call.Param, answer.Result = value, value
		_, err := k.dispatch(b.Context(), from, call)
		require.NoError(b, err)
		in, out := new(syscallpb.ReadOneResponse), new(syscallpb.ReadOneResponse)
		require.NoError(b, k.readOne(b.Context(), to, read, in))
		answer.CallId = in.GetCall()[0].GetCallId()
		require.NoError(b, k.returnValue(to, answer))
		require.NoError(b, k.readOne(b.Context(), from, read, out))
	}
}

// carrying returns changes of requests that make them carry the payload.
func carrying(payload string) (func(*syscallpb.DispatchRequest), func(*guest, *parigotpb.Id) error) {
	value := text(payload)
	return func(r *syscallpb.DispatchRequest) { r.Param = value },
		func(g *guest, cid *parigotpb.Id) error {
			_, err := g.client.ReturnValue(g.ctx, &syscallpb.ReturnValueRequest{CallId: cid, Result: value})
			return err
		}
}

func benchBridge(b *testing.B, payload string) {
	server, client, greeting := setup(b, nil).pair()
	carry, answer := carrying(payload)
	b.ReportAllocs()
	for b.Loop() {
		greeting.mustCall("", carry)
		require.NoError(b, answer(server, server.read().GetCall()[0].GetCallId()))
		client.read()
	}
}

// benchWaiting has both guests wait in ReadOne on goroutines of their own, as they
// do when each waits for the other.
func benchWaiting(b *testing.B, payload string) {
	server, client, greeting := setup(b, nil).pair()
	carry, answer := carrying(payload)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			resp, err := server.client.ReadOne(server.ctx, &syscallpb.ReadOneRequest{})
			if err != nil {
				return
			}
			for _, in := range resp.GetCall() {
				if err := answer(server, in.GetCallId()); err != nil {
					return
				}
			}
		}
	}()
	b.ReportAllocs()
	for b.Loop() {
		greeting.mustCall("", carry)
		client.read()
	}
	server.end()
	<-done
}
