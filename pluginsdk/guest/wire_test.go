package guest

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
	"github.com/iansmith/parigot/pluginsdk/status"
	echov1 "github.com/iansmith/parigot/pluginsdk/testdata/gen/echo/v1"
)

// fakeHost answers as ABI v1 says, or does not.
type fakeHost struct {
	code    int32
	answer  []byte
	lie     uint32 // bytes that take leaves out
	parked  []byte
	headers []*parigotpb.CallHeader
	got     [][]byte
	t       *testing.T
}

func bytesAt(p unsafe.Pointer, n uint32) []byte { return unsafe.Slice((*byte)(p), n) }

func (h *fakeHost) wire() *wire { return &wire{take: h.take, header: h.header} }

// do makes a call as a generated client does.
func (w *wire) do(ctx context.Context, method Import, req, resp proto.Message) error {
	_, err := w.call(ctx, nil, &Method{Import: method, New: func() proto.Message { return resp }}, req)
	return err
}

// doBlocking is do for a method that may block.
func (w *wire) doBlocking(ctx context.Context, method Import, req, resp proto.Message) error {
	_, err := w.call(ctx, nil, &Method{Import: method, MayBlock: true, New: func() proto.Message { return resp }}, req)
	return err
}

func (h *fakeHost) method(req unsafe.Pointer, reqLen uint32, resp unsafe.Pointer, respCap uint32) int64 {
	h.got = append(h.got, append([]byte{}, bytesAt(req, reqLen)...))
	n := uint32(len(h.answer))
	if n <= respCap {
		copy(bytesAt(resp, respCap), h.answer)
	} else {
		h.parked = h.answer
	}
	return int64(abi.Result(h.code, n))
}

func (h *fakeHost) take(p unsafe.Pointer, size uint32) int64 {
	require.EqualValues(h.t, len(h.parked), size)
	copy(bytesAt(p, size), h.parked)
	return int64(abi.Result(0, size-h.lie))
}

func (h *fakeHost) header(p unsafe.Pointer, size uint32) {
	m := new(parigotpb.CallHeader)
	require.NoError(h.t, proto.Unmarshal(bytesAt(p, size), m))
	h.headers = append(h.headers, m)
}

func encode(t *testing.T, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	require.NoError(t, err)
	return b
}

func TestCall(t *testing.T) {
	t.Parallel()
	h := &fakeHost{t: t}
	w := h.wire()
	for _, size := range []int{0, 1, firstResponse - 3, firstResponse, 64 << 10, keep + 1, 10} {
		want := wrapperspb.Bytes(make([]byte, size))
		h.answer = encode(t, want)
		got := new(wrapperspb.BytesValue)
		require.NoError(t, w.do(t.Context(), h.method, want, got))
		require.True(t, proto.Equal(want, got), size)
		require.Equal(t, encode(t, want), h.got[len(h.got)-1])
		require.LessOrEqual(t, len(w.resp.b), keep, "large buffers are not kept")
		require.LessOrEqual(t, len(w.req.b), keep)
	}
	require.Empty(t, h.headers, "a plain call sends no header")
}

func TestResponseOwnsItsData(t *testing.T) {
	t.Parallel()
	h := &fakeHost{t: t, answer: encode(t, wrapperspb.Bytes([]byte("mine")))}
	w := h.wire()
	got := new(wrapperspb.BytesValue)
	require.NoError(t, w.do(t.Context(), h.method, nil, got))
	poison(w.req.b)
	poison(w.resp.b)
	require.Equal(t, "mine", string(got.Value))
}

// TestOwnedResponses: whatever becomes of the buffers, what a call without options has
// returned stays as it is: messages of vtprotobuf and of protobuf-go, those that were
// parked, and errors.
func TestOwnedResponses(t *testing.T) {
	t.Parallel()
	text := string(bytes.Repeat([]byte("x"), 3*firstResponse))
	for name, want := range map[string]proto.Message{
		"vtprotobuf":          &echov1.SendResponse{Id: "id", Payload: []byte("payload"), Tags: []string{"a", "b"}},
		"vtprotobuf, parked":  &echov1.SendResponse{Id: text, Payload: []byte(text), Tags: []string{text}},
		"protobuf-go":         wrapperspb.String("text"),
		"protobuf-go, parked": wrapperspb.String(text),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &fakeHost{t: t, answer: encode(t, want)}
			w := h.wire()
			var got []proto.Message
			m := &Method{Import: h.method, New: func() proto.Message {
				got = append(got, want.ProtoReflect().New().Interface())
				return got[len(got)-1]
			}}
			req := &echov1.SendRequest{Queue: "q"}
			for range 2 {
				_, err := w.call(context.Background(), nil, m, req)
				require.NoError(t, err)
			}

			h.code, h.answer = 5, encode(t, &spb.Status{Code: 5, Message: text})
			_, failed := w.call(t.Context(), nil, m, req)
			poison(w.req.b)
			poison(w.resp.b)
			require.True(t, proto.Equal(want, got[0]))
			require.True(t, proto.Equal(want, got[1]))
			require.ErrorContains(t, failed, text)
		})
	}
}

func newResponse() proto.Message { return new(echov1.SendResponse) }

// TestBorrowedResponses: a borrowed response is good until the next call of the same
// client, and no longer. Each method of a client has one.
func TestBorrowedResponses(t *testing.T) {
	t.Parallel()
	h := &fakeHost{t: t}
	w := h.wire()
	m, n := &Method{Import: h.method, New: newResponse}, &Method{Import: h.method, New: newResponse}
	first, second := new(borrowing), new(borrowing)
	call := func(b *borrowing, m *Method, id string) *echov1.SendResponse {
		h.answer = encode(t, &echov1.SendResponse{Id: id, Tags: []string{id, id}})
		resp, err := w.call(context.Background(), b, m, new(echov1.SendRequest))
		require.NoError(t, err)
		require.Equal(t, id, (*echov1.SendResponse)(resp).GetId())
		return (*echov1.SendResponse)(resp)
	}
	kept := call(first, m, "first")
	require.NotSame(t, kept, call(second, m, "other"))
	poison(w.resp.b)
	poison(w.req.b)
	require.Equal(t, []string{"first", "first"}, kept.GetTags())
	require.NotSame(t, kept, call(first, n, "third"))
	require.Equal(t, "third", kept.GetId(), "it is the buffer's now")
	require.Same(t, kept, call(first, m, "again"))

	h.answer = encode(t, &echov1.SendResponse{Seq: 7})
	resp, err := w.call(context.Background(), first, m, new(echov1.SendRequest))
	require.NoError(t, err)
	require.True(t, proto.Equal(&echov1.SendResponse{Seq: 7}, (*echov1.SendResponse)(resp)), "nothing of the earlier one shows")

	blocks := &Method{Import: h.method, MayBlock: true, New: newResponse}
	require.NotSame(t, call(first, blocks, "one"), call(first, blocks, "two"), "they own their data")
}

func poison(b []byte) {
	for i := range b {
		b[i] = 0xa5
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	long := string(make([]byte, firstResponse))
	tests := []struct {
		name   string
		code   int32
		answer []byte
		want   status.Code
		text   string
	}{
		{"with a status", -5, encode(t, &spb.Status{Code: 5, Message: "nothing there"}), status.NotFound, "NOT_FOUND: nothing there"},
		{"with a parked status", -5, encode(t, &spb.Status{Code: 5, Message: long}), status.NotFound, "NOT_FOUND: " + long},
		{"without one", -5, nil, status.NotFound, "NOT_FOUND"},
		{"with garbage", -5, []byte{0xff}, status.NotFound, "NOT_FOUND"},
		{"a response that does not decode", 0, []byte{0xff}, status.Internal, "decode the response as google.protobuf.BytesValue"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := &fakeHost{t: t, code: tt.code, answer: tt.answer}
			err := h.wire().do(t.Context(), h.method, new(wrapperspb.BytesValue), new(wrapperspb.BytesValue))
			require.ErrorIs(t, err, status.Of(tt.want))
			require.ErrorContains(t, err, tt.text)
		})
	}
}

func TestHostThatBreaksTheContract(t *testing.T) {
	t.Parallel()
	h := &fakeHost{t: t, answer: make([]byte, firstResponse+1), lie: 1}
	err := h.wire().do(t.Context(), h.method, new(wrapperspb.BytesValue), new(wrapperspb.BytesValue))
	require.ErrorIs(t, err, status.Of(status.Internal))
	require.ErrorContains(t, err, "parked 4097 bytes and gave 4096")
}

func TestRequestThatCannotBeEncoded(t *testing.T) {
	t.Parallel()
	h := &fakeHost{t: t}
	err := h.wire().do(t.Context(), h.method, wrapperspb.String("\xff"), new(wrapperspb.BytesValue))
	require.ErrorIs(t, err, status.Of(status.InvalidArgument))
	err = h.wire().do(WithMetadata(t.Context(), "key", "\xff"), h.method, wrapperspb.String(""), new(wrapperspb.BytesValue))
	require.ErrorIs(t, err, status.Of(status.InvalidArgument))
	require.Empty(t, h.got, "nothing was called")
}

func TestHeaderOf(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		require.Nil(t, headerOf(context.Background()))
		outer := WithMetadata(context.Background(), "a", "1")
		inner := WithMetadata(WithMetadata(outer, "a", "2"), "b", "3")
		require.Equal(t, map[string]string{"a": "1"}, headerOf(outer).Metadata)
		require.Equal(t, map[string]string{"a": "2", "b": "3"}, headerOf(inner).Metadata)
		require.Zero(t, headerOf(outer).TimeoutNs)

		ctx, cancel := context.WithTimeout(inner, time.Second)
		defer cancel()
		require.EqualValues(t, time.Second, headerOf(ctx).TimeoutNs)
		late, cancel := context.WithDeadline(context.Background(), time.Now().Add(-time.Hour))
		defer cancel()
		require.EqualValues(t, 1, headerOf(late).TimeoutNs, "0 would mean no deadline")
	})
}

func TestContextThatHasEnded(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	h := &fakeHost{t: t}
	err := h.wire().do(ctx, h.method, new(wrapperspb.BytesValue), new(wrapperspb.BytesValue))
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, status.Of(status.Cancelled))
	require.Empty(t, h.got)
}
