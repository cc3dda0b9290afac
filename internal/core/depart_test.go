package core_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/internal/instance"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// ticket is a call that is served by a test.
type ticket struct {
	soon   bool // the result is there at once
	stays  bool // and else before the caller leaves
	body   string
	err    error
	room   core.Room // of the caller
	result chan struct{}
	left   bool
	ended  error // of the context, if the call was ended
}

func (k *ticket) Soon() bool { return k.soon }

func (k *ticket) Leave() bool {
	k.left = !k.stays
	return k.left
}

func (k *ticket) Result(ctx context.Context, room core.Room) (int32, []byte, error) {
	if k.left {
		select {
		case <-k.result:
		case <-ctx.Done():
			k.ended = ctx.Err()
			return 0, nil, ctx.Err()
		}
	}
	if k.err != nil {
		return 0, nil, k.err
	}
	body, err := room(uint32(len(k.body)))
	copy(body, k.body)
	return 0, body, err
}

// departing calls a server that takes its calls to k.
func (b *bench) departing(k *ticket, respCap uint64) (code int32, n uint32) {
	k.result = make(chan struct{})
	s := core.Depart(&core.Method{FullName: "test.v1.Test.Call", MayBlock: true}, func(ctx context.Context, request []byte, room core.Room) (core.Ticket, error) {
		require.Equal(b.t, "request", string(request))
		require.Equal(b.t, "test.v1.Test.Call", core.NameOf(ctx))
		k.room = room
		return k, nil
	})
	require.True(b.t, b.m.Memory().Write(0, []byte("request")))
	stack := []uint64{0, 7, 4096, respCap}
	s.Stack(b.ctx, b.m, stack)
	return abi.Split(stack[0])
}

// TestDepartSoon: a result that comes while the guest stands still is in its memory.
func TestDepartSoon(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, k := range []*ticket{{soon: true, body: "answer"}, {stays: true, body: "answer"}} {
		code, n := b.departing(k, 100)
		require.Zero(t, code)
		answer, ok := b.m.Memory().Read(4096, n)
		require.True(t, ok)
		require.Equal(t, "answer", string(answer))
		require.True(t, b.state.Calls.Empty())
		require.False(t, b.state.Running.InCall())
	}
	long := strings.Repeat("x", 200)
	code, n := b.departing(&ticket{soon: true, body: long}, 100)
	require.Zero(t, code)
	require.EqualValues(t, 200, n)
	require.Equal(t, long, string(b.state.Parked))
	require.EqualValues(t, 200, b.state.Account.Held())

	code, n = b.departing(&ticket{soon: true, err: status.Error(status.NotFound, "not here")}, 100)
	require.ErrorContains(t, b.statusAt(code, 4096, n), "not here")
	require.Zero(t, b.state.Account.Held())
	code, n = b.departing(&ticket{soon: true, body: strings.Repeat("x", 40<<10)}, 100)
	require.ErrorContains(t, b.statusAt(code, 4096, n), "the response has 40960 bytes, the host takes 32768")
}

// TestDepartGoesOn: a call that takes longer is pending, without the memory of its guest.
func TestDepartGoesOn(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	k := &ticket{body: "answer"}
	b.state.Next = instance.Header{Call: &parigotpb.CallHeader{Metadata: map[string]string{"k": "v"}}}
	code, _ := b.departing(k, 100)
	require.Equal(t, abi.Pending, code)
	require.NotZero(t, b.state.Account.Held())
	fillMemory(b.m)
	close(k.result)
	code, body := b.await()
	require.Zero(t, code)
	require.Equal(t, "answer", string(body))
	require.Zero(t, b.state.Account.Held())
	b.untouched(0, memorySize)

	k = &ticket{}
	_, handle := b.departing(k, 100)
	require.True(t, b.state.Calls.Cancel(handle))
	code, _ = b.await()
	require.Equal(t, -int32(status.Cancelled), code)
	require.ErrorIs(t, k.ended, context.Canceled)
}

// TestDepartWithoutRoom: a call that may not go on is ended, and its caller told why.
func TestDepartWithoutRoom(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.state.Calls = instance.NewCalls(0, b.state.Account, &b.busy)
	k := new(ticket)
	code, n := b.departing(k, 1000)
	require.ErrorContains(t, b.statusAt(code, 4096, n), "too many calls are pending")
	require.ErrorIs(t, k.ended, context.Canceled)
	require.Zero(t, b.state.Account.Held())
}

// TestDepartThatFails: what goes wrong on the way is the call's, and no more.
func TestDepartThatFails(t *testing.T) {
	t.Parallel()
	for name, depart := range map[string]core.Departure{
		"error": func(context.Context, []byte, core.Room) (core.Ticket, error) { return nil, errors.New("a secret") },
		"panic": func(context.Context, []byte, core.Room) (core.Ticket, error) { panic("a secret") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			s := core.Depart(&core.Method{FullName: "test.v1.Test.Call", MayBlock: true}, depart)
			stack := []uint64{0, 7, 4096, 1000}
			s.Stack(b.ctx, b.m, stack)
			code, n := abi.Split(stack[0])
			require.Equal(t, -int32(status.Internal), code)
			require.NotContains(t, b.statusAt(code, 4096, n).Error(), "secret")
			require.Contains(t, b.log.String(), "secret")
			require.False(t, b.state.Running.InCall())
		})
	}
}

// TestDepartStandsStill: a guest that cannot be pending waits, and so does one with interceptors.
func TestDepartStandsStill(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.state.Calls = nil
	code, n := b.departing(&ticket{body: "answer"}, 100)
	require.Zero(t, code)
	require.EqualValues(t, 6, n)

	b = newBench(t)
	seen := 0
	b.intercepts(func(ctx context.Context, _ *core.Call, next func(context.Context) error) error {
		seen++
		return next(ctx)
	})
	code, n = b.departing(&ticket{body: "answer"}, 100)
	if code == abi.Pending {
		code, _ = b.await()
		n = 6
	}
	require.Zero(t, code)
	require.EqualValues(t, 6, n)
	require.Equal(t, 1, seen)
}
