//go:build !wasip1

package kernel

import (
	"bytes"
	"context"
	goruntime "runtime"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/iansmith/parigot/internal/serve"
	"github.com/iansmith/parigot/pluginsdk/guest"
	"github.com/iansmith/parigot/pluginsdk/status"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
	echov1 "github.com/iansmith/parigot/pluginsdk/testdata/gen/echo/v1"
)

// These tests are about what a real kernel does seldom or never: examples/syscall has
// those of guests on the real one.

// TestReaderWithoutRoom: when as many calls of the guest are pending as may be, the reader waits
// for the end of one.
func TestReaderWithoutRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k, done := newFake(), make(chan struct{})
		close(done)
		k.calling.ended = func() uint64 { return 7 }
		room := make(chan uint64)
		k.calling.awaitEnd = func(n uint64) bool { room <- n; return true }
		r := k.runtime(nil)
		end := serving(t, r, k, service(done))
		k.reads <- status.Error(status.ResourceExhausted, "too many calls are pending")
		require.EqualValues(t, 7, <-room)
		k.reads <- incomingCall(1, 1)
		k.reads <- new(syscallpb.NextResponse)
		require.Zero(t, (<-k.answers).GetResultError())
		end()
		k.reads <- new(syscallpb.NextResponse) // the reader reads no more, or the bubble would not end
	})
}

// TestMessagesOfVtprotobuf: their own methods encode and decode them.
func TestMessagesOfVtprotobuf(t *testing.T) {
	t.Parallel()
	k := newFake()
	var sent []byte
	k.called = func(req *syscallpb.CallRequest) ([]byte, error) {
		sent = req.GetParam()
		require.EqualValues(t, 7, req.GetMethodLow())
		return proto.Marshal(&echov1.SendResponse{Tags: []string{"new"}})
	}
	m := remote(t, k.runtime(nil), k)
	// protobuf-go would refuse to encode the text.
	resp, err := Call[echov1.SendResponse](t.Context(), m, 0, &echov1.SendRequest{Queue: "\xff"})
	require.NoError(t, err)
	require.Equal(t, "\x0a\x01\xff", string(sent))
	require.Equal(t, []string{"new"}, resp.GetTags())
}

// TestReaderThatFails ends all that waits for it.
func TestReaderThatFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newFake()
		r := k.runtime(nil)
		gone := status.Error(syscallpb.KernelErr_ChannelClosed, "the engine is closing")
		served := make(chan error)
		go func() { served <- r.serve(t.Context(), service(nil), k.next, nil) }()
		synctest.Wait()
		k.reads <- gone
		require.ErrorIs(t, <-served, gone)
	})
}

// TestTooManyCalls: those beyond the limits are refused, and the others served.
func TestTooManyCalls(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		calls       uint64
		size, limit int
	}{
		"in number":               {MaxCalls, 1, MaxBytes},
		"in bytes":                {4, 250, 1000},
		"one alone may have more": {1, 1001, 1000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, done := newFake(), make(chan struct{})
			r := k.runtime(nil)
			r.maxBytes = c.limit
			defer serving(t, r, k, service(done))()
			for n := range c.calls {
				k.reads <- incomingCall(1+n, c.size)
			}
			k.reads <- incomingCall(1_000_000, c.size)
			refused := <-k.answers
			require.EqualValues(t, 1_000_000, refused.GetCallId())
			require.Equal(t, -int32(status.ResourceExhausted), refused.GetResultError())
			close(done)
			for range c.calls {
				require.Zero(t, (<-k.answers).GetResultError())
			}
			k.reads <- incomingCall(2_000_000, c.size)
			require.Zero(t, (<-k.answers).GetResultError(), "there is room again")
		})
	}
}

// TestCancelledCall: its context ends, and nobody gets an answer.
func TestCancelledCall(t *testing.T) {
	t.Parallel()
	k := newFake()
	r := k.runtime(nil)
	ended := make(chan error)
	defer serving(t, r, k, guest.Service{Name: "test.v1.Test", Impl: k, Methods: []guest.ServedMethod{{
		Name: "Do",
		Handler: serve.Raw(func(ctx context.Context, _, _ []byte) ([]byte, error) {
			<-ctx.Done()
			ended <- ctx.Err()
			return nil, ctx.Err()
		}),
	}}})()
	k.reads <- incomingCall(1, 1)
	k.reads <- incomingCall(2, 1)
	k.reads <- &syscallpb.NextResponse{Cancelled: []uint64{1, 55}}
	require.ErrorIs(t, <-ended, context.Canceled)
	require.Empty(t, k.answers)
	k.reads <- &syscallpb.NextResponse{Cancelled: []uint64{2}}
	require.ErrorIs(t, <-ended, context.Canceled)
	require.Empty(t, k.answers)
}

// TestUnknownMethod: a call of what the guest does not serve any longer.
func TestUnknownMethod(t *testing.T) {
	t.Parallel()
	k := newFake()
	defer serving(t, k.runtime(nil), k, service(nil))()
	in := incomingCall(1, 1)
	in.MethodLow = 99
	k.reads <- in
	require.Equal(t, -int32(status.Unavailable), (<-k.answers).GetResultError())
}

// TestAnswersThatAreRefused: a caller gets something, as long as the kernel lets
// anything through.
func TestAnswersThatAreRefused(t *testing.T) {
	t.Parallel()
	var stderr bytes.Buffer
	k, done := newFake(), make(chan struct{})
	close(done)
	limit := 100
	k.answer = func(req *syscallpb.ReturnValueRequest) error {
		if len(req.GetResult()) > limit {
			return status.Error(syscallpb.KernelErr_DataTooLarge, "too large for this kernel, which is one that says so in many words and then some")
		}
		return nil
	}
	r := k.runtime(&stderr)
	end := serving(t, r, k, service(done))
	k.reads <- incomingCall(1, 200)
	answer := <-k.answers
	require.Equal(t, -int32(status.ResourceExhausted), answer.GetResultError())
	require.Contains(t, string(answer.GetResult()), "too large")

	limit = 20
	k.reads <- incomingCall(2, 200)
	answer = <-k.answers
	require.Equal(t, -int32(status.ResourceExhausted), answer.GetResultError())
	require.NotContains(t, string(answer.GetResult()), "too large")

	limit = 0
	k.reads <- incomingCall(3, 200)
	k.reads <- new(syscallpb.NextResponse) // the answer was refused
	end()
	require.Contains(t, stderr.String(), "kernel: a call of caller cannot be answered: DataTooLarge: too large")
}

// TestParentThatIsOver: a call on behalf of one that is over is made on behalf of none.
func TestParentThatIsOver(t *testing.T) {
	t.Parallel()
	k := newFake()
	m := remote(t, k.runtime(nil), k)
	var parents []uint64
	k.called = func(req *syscallpb.CallRequest) ([]byte, error) {
		parents = append(parents, req.GetParent())
		if len(parents) == 1 {
			return nil, status.Error(syscallpb.KernelErr_BadCallId, "it was cancelled")
		}
		return nil, nil
	}
	parent := &incoming{id: 5}
	parent.Start(t.Context(), &parent.caller, map[string]string{"a": "b"}, 0, 0)
	for call := range uint64(3) {
		parent.over = call == 2
		_, err := Call[wrapperspb.BytesValue](parent, m, 0, bytesOf(1))
		require.NoError(t, err)
	}
	require.Equal(t, []uint64{5, 0, 5, 0}, parents)
}

// TestMethodThatComesLater: those who serve may be exchanged for newer ones.
func TestMethodThatComesLater(t *testing.T) {
	t.Parallel()
	k := newFake()
	k.called = func(*syscallpb.CallRequest) ([]byte, error) { return nil, nil }
	m, err := k.runtime(nil).locate(t.Context(), "test.v1.Test", k.call, []string{"Do"})
	require.NoError(t, err)
	_, err = Call[wrapperspb.BytesValue](t.Context(), m, 0, bytesOf(1))
	require.EqualError(t, err, "UNIMPLEMENTED: those who serve test.v1.Test have no method Do")
	k.methods = []*syscallpb.MethodBinding{{MethodName: "Do", MethodId: number(7)}}
	_, err = Call[wrapperspb.BytesValue](t.Context(), m, 0, bytesOf(1))
	require.NoError(t, err)
}

// TestLocate: it waits, by launching, until the service is there.
func TestLocate(t *testing.T) {
	t.Parallel()
	fail := func(code syscallpb.KernelErr) error { return status.Error(code, "as told") }
	unknown, notReady := fail(syscallpb.KernelErr_BadId), fail(syscallpb.KernelErr_NotReady)
	nobody, late := fail(syscallpb.KernelErr_LocateError), fail(syscallpb.KernelErr_RunTimeout)
	already, full := fail(syscallpb.KernelErr_ServiceAlreadyRequired), fail(syscallpb.KernelErr_NamespaceExhausted)
	for name, c := range map[string]struct {
		launches, requires, locates []error
		want                        error
	}{
		"required by a service":     {},
		"there":                     {locates: []error{unknown}},
		"required before":           {locates: []error{unknown}, requires: []error{already}},
		"comes":                     {locates: []error{unknown, notReady}},
		"goes again, and comes":     {locates: []error{unknown, notReady, nobody}},
		"another one does not come": {locates: []error{unknown, notReady}, launches: []error{nil, late}},
		"does not come":             {locates: []error{unknown, notReady, notReady}, launches: []error{nil, late}, want: late},
		"cannot be required":        {locates: []error{unknown}, requires: []error{full}, want: full},
		"cannot be located":         {locates: []error{unknown, full}, want: full},
		"cannot be a client":        {locates: []error{unknown}, launches: []error{full}, want: full},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newFake()
			k.launches, k.requires, k.locates = c.launches, c.requires, c.locates
			_, err := k.runtime(nil).locate(t.Context(), "test.v1.Test", k.call, nil)
			require.ErrorIs(t, err, c.want)
			require.Equal(t, c.want == nil, err == nil)
			require.Empty(t, append(append(k.launches, k.requires...), k.locates...), "all that was to happen has")
		})
	}
}

// TestLocateSaysThatItIsAlone: the kernel can find rings only of guests that do nothing
// else while they wait.
func TestLocateSaysThatItIsAlone(t *testing.T) {
	t.Parallel()
	for name, others := range map[string]int{"alone": 1, "beside others": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newFake()
			k.calling.goroutines = func() int { return goruntime.NumGoroutine() - others }
			k.locates = []error{status.Error(syscallpb.KernelErr_BadId, ""), status.Error(syscallpb.KernelErr_NotReady, "")}
			_, err := k.runtime(nil).locate(t.Context(), "test.v1.Test", k.call, nil)
			require.NoError(t, err)
			require.Equal(t, []bool{false, others == 1}, k.alone, "a client that requires nothing does not wait")
		})
	}
}
