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
	return w.call(ctx, &Method{Import: method}, nil, req, resp)
}

// doBlocking is do for a method that may block.
func (w *wire) doBlocking(ctx context.Context, method Import, req, resp proto.Message) error {
	return w.call(ctx, &Method{Import: method, MayBlock: true}, nil, req, resp)
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
			m := &Method{Import: h.method}
			req := &echov1.SendRequest{Queue: "q"}
			first, second := want.ProtoReflect().New().Interface(), want.ProtoReflect().New().Interface()
			require.NoError(t, w.call(t.Context(), m, nil, req, first))
			require.NoError(t, w.call(t.Context(), m, nil, req, second))

			h.code, h.answer = 5, encode(t, &spb.Status{Code: 5, Message: text})
			failed := w.call(t.Context(), m, nil, req, want.ProtoReflect().New().Interface())
			poison(w.req.b)
			poison(w.resp.b)
			require.True(t, proto.Equal(want, first))
			require.True(t, proto.Equal(want, second))
			require.ErrorContains(t, failed, text)
		})
	}
}

// TestBorrowedResponses: a borrowed response is good until the next call of the same
// client, and no longer.
func TestBorrowedResponses(t *testing.T) {
	t.Parallel()
	h := &fakeHost{t: t}
	w := h.wire()
	m := &Method{Import: h.method}
	first, second := new(buffer), new(buffer)
	call := func(b *buffer, id string) *echov1.SendResponse {
		h.answer = encode(t, &echov1.SendResponse{Id: id, Tags: []string{id, id}})
		resp := new(echov1.SendResponse)
		require.NoError(t, w.call(t.Context(), m, b, new(echov1.SendRequest), resp))
		require.Equal(t, id, resp.GetId())
		return resp
	}
	kept := call(first, "first")
	call(second, "other")
	poison(w.resp.b)
	poison(w.req.b)
	require.Equal(t, []string{"first", "first"}, kept.GetTags())
	call(first, "third")
	require.Equal(t, "third", kept.GetId(), "it is the buffer's now")

	resp := call(first, "again")
	h.answer = encode(t, &echov1.SendResponse{Seq: 7})
	require.NoError(t, w.call(t.Context(), m, first, new(echov1.SendRequest), resp))
	require.True(t, proto.Equal(&echov1.SendResponse{Seq: 7}, resp), "nothing of the earlier one shows")
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
