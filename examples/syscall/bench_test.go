//go:build !wasip1

package syscall

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/internal/syscallwire"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

// BenchmarkRoundTrip measures the kernel's part of a call from guest to guest: Call, and the Next
// that brings it and the one that answers it. "still" is for a caller that stands still, "left"
// for one that goes on, whose result takes the way over the CallMatcher. In "waiting" each side
// has a goroutine that waits for the other, and calls through local clients.
func BenchmarkRoundTrip(b *testing.B) {
	for _, size := range []int{16, 1 << 10, 64 << 10} {
		payload := strings.Repeat("x", size)
		b.Run(fmt.Sprintf("%dB/still", size), func(b *testing.B) { benchAlone(b, payload, false) })
		b.Run(fmt.Sprintf("%dB/left", size), func(b *testing.B) { benchAlone(b, payload, true) })
		b.Run(fmt.Sprintf("%dB/waiting", size), func(b *testing.B) { benchWaiting(b, payload) })
	}
}

func benchAlone(b *testing.B, payload string, leaves bool) {
	server, client, greeting := setup(b, nil).pair()
	k := client.kernel
	from, to := k.hosts.FindById(client.caller.ID), k.hosts.FindById(server.caller.ID)
	call := &syscallwire.Call{MethodHigh: greeting.method.GetHigh(), MethodLow: greeting.method.GetLow(), Param: []byte(payload)}
	// As in a guest's memory: nothing is allocated.
	request, response := memory(len(payload)), memory(len(payload))
	b.ReportAllocs()
	for b.Loop() {
		t, err := k.call(b.Context(), from, call, response)
		require.NoError(b, err)
		if leaves {
			t.Leave()
		}
		next, err := k.next(to, new(syscallwire.Answer))
		require.NoError(b, err)
		number := next.call.id.Low()
		_, _, err = next.Result(b.Context(), request)
		require.NoError(b, err)
		_, err = k.answer(to, number, outcome{body: call.Param})
		require.NoError(b, err)
		_, _, err = t.Result(b.Context(), response)
		require.NoError(b, err)
	}
}

// memory returns a room that is used again and again.
func memory(size int) core.Room {
	m := make([]byte, size+1<<10)
	return func(size uint32) ([]byte, error) { return m[:size], nil }
}

func benchWaiting(b *testing.B, payload string) {
	server, client, greeting := setup(b, nil).pair()
	done := make(chan struct{})
	go func() {
		defer close(done)
		answer := new(syscallpb.NextRequest)
		for {
			in, err := server.client.Next(context.WithoutCancel(server.ctx), answer)
			if err != nil {
				return
			}
			answer = &syscallpb.NextRequest{Call: in.GetCall(), Result: in.GetParam()}
		}
	}()
	req := &syscallpb.CallRequest{MethodHigh: greeting.method.GetHigh(), MethodLow: greeting.method.GetLow(), Param: []byte(payload)}
	b.ReportAllocs()
	for b.Loop() {
		_, err := client.client.Call(client.ctx, req)
		require.NoError(b, err)
	}
	server.end()
	<-done
}
