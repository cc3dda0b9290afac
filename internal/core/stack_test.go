package core_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/typepb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/pluginsdk/status"
)

func TestInvokeWritesTheResponseAndNothingElse(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	reqLen := b.request(0, []byte("ping"))
	code, n := b.invoke(echo, 0, reqLen, 4096, 1024)
	require.Zero(t, code)
	require.Equal(t, reqLen, n)
	got, _ := b.m.Memory().Read(4096, n)
	resp := new(wrapperspb.BytesValue)
	require.NoError(t, proto.Unmarshal(got, resp))
	require.Equal(t, "ping", string(resp.Value))
	b.untouched(reqLen, 4096)
	b.untouched(4096+n, memorySize)
	require.Nil(t, b.state.Parked)
}

func TestInvokeEmptyResponse(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	// The request is empty too, and so is its buffer, which may lie anywhere.
	stack := []uint64{math.MaxUint32, 0, math.MaxUint32, 0}
	core.Stack(b.ctx, "test", b.m, stack, func(context.Context, bytesValue, bytesValue) int32 { return 0 },
		new(wrapperspb.BytesValue), new(wrapperspb.BytesValue))
	require.Equal(t, uint64(0), stack[0])
	b.untouched(0, memorySize)
}

func TestInvokeParksWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	for _, respCap := range []uint32{0, 1, 5} { // the response has 6 bytes
		b := newBench(t)
		reqLen := b.request(0, []byte("ping"))
		calls := 0
		code, n := b.invoke(func(ctx context.Context, req, resp bytesValue) error {
			calls++
			return echo(ctx, req, resp)
		}, 0, reqLen, 4096, respCap)
		require.Zero(t, code)
		require.Equal(t, reqLen, n)
		require.Len(t, b.state.Parked, int(n))
		require.Equal(t, 1, calls)
		b.untouched(reqLen, memorySize)

		code, _ = b.call(echo)
		require.Zero(t, code, "the instance stays usable")
		require.Nil(t, b.state.Parked, "the next call forgets what nobody took")
	}
}

func TestInvokeRefusesHostileBuffers(t *testing.T) {
	t.Parallel()
	const limit = 32 << 10
	tests := []struct {
		name                             string
		reqPtr, reqLen, respPtr, respCap uint32
		want                             status.Code
		noStatus                         bool
	}{
		{"request pointer outside", memorySize, 1, 4096, 1024, status.InvalidArgument, false},
		{"request ends outside", memorySize - 1, 2, 4096, 1024, status.InvalidArgument, false},
		{"request wraps around", math.MaxUint32, 2, 4096, 1024, status.InvalidArgument, false},
		{"request length is the largest", 0, math.MaxUint32, 4096, 1024, status.ResourceExhausted, false},
		{"request over the limit", 0, limit + 1, 4096, 1024, status.ResourceExhausted, false},
		{"request does not decode", 8192, 64, 4096, 1024, status.InvalidArgument, false},
		{"response buffer outside", 0, 6, memorySize, 1, status.InvalidArgument, true},
		{"response buffer ends outside", 0, 6, memorySize - 1, 2, status.InvalidArgument, true},
		{"response buffer is the largest", 0, 6, 0, math.MaxUint32, status.InvalidArgument, true},
		{"both outside", memorySize, 1, memorySize, 1, status.InvalidArgument, true},
	}
	for _, tt := range tests {
		for _, mayBlock := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/%v", tt.name, mayBlock), func(t *testing.T) {
				t.Parallel()
				b := newBench(t)
				b.mayBlock = mayBlock
				b.request(0, []byte("ping"))
				code, n := b.invoke(func(context.Context, bytesValue, bytesValue) error {
					t.Error("the implementation ran")
					return nil
				}, tt.reqPtr, tt.reqLen, tt.respPtr, tt.respCap)
				require.Equal(t, -int32(tt.want), code)
				if tt.noStatus {
					require.Zero(t, n)
					b.untouched(6, memorySize)
				} else {
					s := b.statusAt(code, tt.respPtr, n)
					require.ErrorIs(t, s, status.Of(tt.want))
					require.Contains(t, s.Message(), "test.v1.Test.Call")
					b.untouched(6, tt.respPtr)
					b.untouched(tt.respPtr+n, memorySize)
				}
				b.mayBlock = false
				code, _ = b.call(echo)
				require.Zero(t, code, "the instance stays usable")
				require.True(t, b.state.Calls.Empty())
			})
		}
	}
}

func TestInvokeBuffersMayOverlap(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	payload := bytes.Repeat([]byte("x"), 300)
	reqLen := b.request(100, payload)
	for _, respPtr := range []uint32{100, 90, 110, 99 + reqLen} {
		b.request(100, payload)
		code, n := b.invoke(echo, 100, reqLen, respPtr, 1024)
		require.Zero(t, code)
		got, _ := b.m.Memory().Read(respPtr, n)
		resp := new(wrapperspb.BytesValue)
		require.NoError(t, proto.Unmarshal(got, resp))
		require.Equal(t, payload, resp.Value)
	}
}

func TestInvokeResponseOverTheLimit(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	code, n := b.call(func(_ context.Context, _, resp bytesValue) error {
		resp.Value = make([]byte, b.state.Limits.MaxResponse)
		return nil
	})
	require.ErrorIs(t, b.statusAt(code, 4096, n), status.Of(status.ResourceExhausted))
	require.Nil(t, b.state.Parked)
}

func TestInvokeErrors(t *testing.T) {
	t.Parallel()
	secret := errors.New("secret of the host")
	tests := []struct {
		name     string
		err      error
		want     error
		wire     int32
		message  string
		incident bool
	}{
		{"service's own", status.Error(protoErr(3), "no such file"), status.Of(protoErr(3)), 3, "^no such file$", false},
		{"wrapped in host words", fmt.Errorf("/host/path: %w", status.Error(protoErr(3), "no such file")), status.Of(protoErr(3)), 3, "^no such file$", false},
		{"wrapping host words", status.Wrap(status.NotFound, secret, "nothing there"), status.Of(status.NotFound), -5, "^nothing there$", false},
		{"canonical", status.Error(status.PermissionDenied, "not yours"), status.Of(status.PermissionDenied), -7, "^not yours$", false},
		{"deadline", fmt.Errorf("query: %w", context.DeadlineExceeded), context.DeadlineExceeded, -4, "deadline", false},
		{"cancelled", context.Canceled, context.Canceled, -1, "cancelled", false},
		{"plain", secret, status.Of(status.Internal), -13, "^test.v1.Test.Call: internal error, incident i-[0-9a-f]{32}$", true},
		{"negative code", status.Error(protoErr(-3), "secret"), status.Of(status.Internal), -13, "incident", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			code, n := b.call(func(context.Context, bytesValue, bytesValue) error { return tt.err })
			require.Equal(t, tt.wire, code)
			s := b.statusAt(code, 4096, n)
			require.ErrorIs(t, s, tt.want)
			require.Regexp(t, tt.message, s.Message())
			require.NotContains(t, s.Error(), "secret")
			requireIncident(t, b, s, tt.incident)
		})
	}
}

// requireIncident requires that the host's log has the incident that the guest
// was told of, once.
func requireIncident(t *testing.T, b *bench, s *status.Status, want bool) {
	t.Helper()
	if !want {
		require.Zero(t, b.state.Counters.Incidents.Load())
		require.Empty(t, b.log.String())
		return
	}
	require.EqualValues(t, 1, b.state.Counters.Incidents.Load())
	incident := regexp.MustCompile("i-[0-9a-f]{32}").FindString(s.Message())
	require.Contains(t, b.log.String(), "incident="+incident)
	require.Contains(t, b.log.String(), "secret")
}

func TestInvokePanicBecomesIncident(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	code, n := b.call(func(context.Context, bytesValue, bytesValue) error { panic("secret of the host") })
	s := b.statusAt(code, 4096, n)
	require.ErrorIs(t, s, status.Of(status.Internal))
	require.NotContains(t, s.Error(), "secret")
	requireIncident(t, b, s, true)
	require.Contains(t, b.log.String(), "stack_test.go", "the stack is logged")
	code, _ = b.call(echo)
	require.Zero(t, code, "the instance stays usable")
}

func TestInvokeStatusThatDoesNotFitIsParked(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	reqLen := b.request(0, []byte("ping"))
	code, n := b.invoke(func(context.Context, bytesValue, bytesValue) error {
		return status.Error(protoErr(3), "no such file")
	}, 0, reqLen, 4096, 0)
	require.EqualValues(t, 3, code)
	require.Len(t, b.state.Parked, int(n))
	require.ErrorIs(t, decodeStatus(t, code, b.state.Parked), status.Of(protoErr(3)))
	b.untouched(reqLen, memorySize)
}

func TestInvokeResponseThatCannotBeEncoded(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	stack := []uint64{0, 0, 4096, 1024}
	fn := func(_ context.Context, _ bytesValue, u *wrapperspb.StringValue) int32 {
		u.Value = strings.Repeat("partial ", 100) + "\xff" // not UTF-8
		return 0
	}
	core.Stack(b.ctx, "test", b.m, stack, fn, new(wrapperspb.BytesValue), new(wrapperspb.StringValue))
	code, n := abi.Split(stack[0])
	require.ErrorIs(t, b.statusAt(code, 4096, n), status.Of(status.Internal))
	written, _ := b.m.Memory().Read(0, memorySize)
	require.NotContains(t, string(written), "partial", "nothing of the response is left")
}

func TestInvokeFnWithoutStatus(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	stack := []uint64{0, 0, 4096, 1024}
	core.Stack(b.ctx, "test", b.m, stack, func(context.Context, bytesValue, bytesValue) int32 { return 7 },
		new(wrapperspb.BytesValue), new(wrapperspb.BytesValue))
	code, _ := abi.Split(stack[0])
	require.EqualValues(t, 7, code)

	// The smallest code has no place in google.rpc.Code.
	stack = []uint64{0, 0, 4096, 1024}
	core.Stack(b.ctx, "test", b.m, stack, func(context.Context, bytesValue, bytesValue) int32 { return math.MinInt32 },
		new(wrapperspb.BytesValue), new(wrapperspb.BytesValue))
	code, _ = abi.Split(stack[0])
	require.Equal(t, -int32(status.Internal), code)
}

func TestInvokeModuleWithoutMemory(t *testing.T) {
	t.Parallel()
	r := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter())
	defer func() { require.NoError(t, r.Close(context.Background())) }()
	m, err := r.Instantiate(t.Context(), memoryModule[:8])
	require.NoError(t, err)
	for _, stack := range [][]uint64{{0, 0, 8, 8}, {8, 8, 0, 0}, {8, 8, 8, 8}} {
		b := newBench(t)
		core.Stack(b.ctx, "test", m, stack, func(context.Context, bytesValue, bytesValue) int32 { return 0 },
			new(wrapperspb.BytesValue), new(wrapperspb.BytesValue))
		code, _ := abi.Split(stack[0])
		require.Equal(t, -int32(status.Internal), code)
	}
}

func TestInvokeErrorKeepsItsCode(t *testing.T) {
	t.Parallel()
	for name, message := range map[string]string{
		"not UTF-8":      "no \xff",
		"over the limit": strings.Repeat("x", 64<<10),
	} {
		b := newBench(t)
		code, n := b.call(func(context.Context, bytesValue, bytesValue) error { return status.Error(protoErr(3), message) })
		require.EqualValues(t, 3, code, name)
		require.ErrorIs(t, b.statusAt(code, 4096, n), status.Of(protoErr(3)), name)
	}
}

func TestInvokeAfterTheInstanceEnded(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.state.Ended.Store(true)
	code, n := b.call(func(context.Context, bytesValue, bytesValue) error {
		t.Error("the implementation ran")
		return nil
	})
	require.ErrorIs(t, b.statusAt(code, 4096, n), status.Of(status.Unavailable))
}

func TestInvokeWithoutEngine(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.ctx = context.Background()
	code, n := b.call(echo)
	require.Zero(t, code)
	require.EqualValues(t, 6, n)
}

func TestInvokeAfterTheGuestWasStopped(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx, cancel := context.WithCancel(b.ctx)
	cancel()
	b.ctx = ctx
	code, _ := b.call(func(context.Context, bytesValue, bytesValue) error {
		t.Error("the implementation ran")
		return nil
	})
	require.Equal(t, -int32(status.Cancelled), code)
}

func TestInvokeWithMemoryThatMoved(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	code, n := b.call(func(ctx context.Context, req, resp bytesValue) error {
		_, ok := b.m.Memory().Grow(16)
		require.True(t, ok)
		return echo(ctx, req, resp)
	})
	require.Zero(t, code)
	got, _ := b.m.Memory().Read(4096, n)
	require.Contains(t, string(got), "ping")
}

// protoErr stands for the error enum of a service: any enum may be one.
type protoErr = typepb.Field_Kind

func refusal(code status.Code, message string) *status.Status {
	s, _ := status.From(status.Error(code, message))
	return s
}
