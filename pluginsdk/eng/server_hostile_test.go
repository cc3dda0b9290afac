package eng_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/internal/wasm/wasmtest"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/status"
)

const (
	call64 = wasmtest.I32 + wasmtest.I32 + wasmtest.I32 + wasmtest.I32 + wasmtest.I64 // the parameters of abi.Serve
	at     = 1000                                                                     // of a record
)

// put has a module store a number.
func put(address, number uint32) string {
	return wasmtest.Const(address) + wasmtest.Const(number) + wasmtest.Store
}

// record has a module make a record for the call that it serves, and return its place.
func record(code int32, says, has uint32) string {
	return wasmtest.Const(at) + wasmtest.Get(0) + wasmtest.Store + put(at+4, uint32(code)) + put(at+8, says) +
		wasmtest.Const64(abi.Place(at, abi.RecordSize+has))
}

// lying is a library whose exports do as they are told.
type lying struct{ offers, serve, run, data string }

func (l lying) bytes() []byte {
	var m wasmtest.Module
	m.Import("wasi_snapshot_preview1", "proc_exit", wasmtest.I32, "")
	m.Import("parigot", "request", wasmtest.I32+wasmtest.I32, wasmtest.I64)
	m.Memory(1, 4)
	m.Export("_initialize", m.Func("", "", "", ""))
	if l.offers == "" {
		l.offers = wasmtest.Const64(abi.Place(16, 6))
	}
	if l.run == "" {
		l.run = wasmtest.Const64(0)
	}
	m.Export(abi.Offers, m.Func("", wasmtest.I64, "", l.offers))
	m.Export(abi.Serve, m.Func(call64, wasmtest.I64, "", l.serve))
	m.Export(abi.Run, m.Func(wasmtest.I32+wasmtest.I64, wasmtest.I64, "", l.run))
	m.Data(16, "a.B.C\na.B.C\nx")
	m.Data(at+abi.RecordSize, l.data)
	return m.Bytes()
}

// TestLyingServers: whatever a guest answers, its host gets an error with a code, in time.
func TestLyingServers(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	const (
		fine   = true // the instance may be called again
		broken = false
	)
	place := func(ptr, size uint32) string { return wasmtest.Const64(abi.Place(ptr, size)) }
	for name, c := range map[string]struct {
		guest  lying
		code   status.Code
		usable bool
	}{
		"nothing wrong":              {lying{serve: record(0, 0, 0)}, status.OK, fine},
		"answer at the end":          {lying{serve: place(1<<16-11, 12)}, status.Internal, broken},
		"answer outside":             {lying{serve: place(1<<31, 12)}, status.Internal, broken},
		"answer that wraps around":   {lying{serve: place(0xffffffff, 0xffffffff)}, status.Internal, broken},
		"answer without a record":    {lying{serve: place(at, 11)}, status.Internal, broken},
		"answer of no bytes":         {lying{serve: place(at, 0)}, status.Internal, broken},
		"says more than it has":      {lying{serve: record(0, 5, 0)}, status.Internal, broken},
		"says less than it has":      {lying{serve: record(0, 0, 5)}, status.Internal, broken},
		"says too much":              {lying{serve: record(0, 0xffffffff, 0)}, status.Internal, broken},
		"another call":               {lying{serve: put(at, 77) + put(at+4, 0) + put(at+8, 0) + place(at, 12)}, status.Internal, broken},
		"code that is none":          {lying{serve: record(-17, 0, 0)}, status.Internal, fine},
		"code PENDING":               {lying{serve: record(abi.Pending, 0, 0)}, status.Internal, fine},
		"response that is none":      {lying{serve: record(0, 2, 2), data: "\x0a\x09"}, status.Internal, fine},
		"error without a status":     {lying{serve: record(-5, 0, 0)}, status.NotFound, fine},
		"error with another status":  {lying{serve: record(-5, 2, 2), data: "\x08\x03"}, status.NotFound, fine},
		"status that is none":        {lying{serve: record(-5, 2, 2), data: "\x0a\x09"}, status.NotFound, fine},
		"trap":                       {lying{serve: wasmtest.Unreachable}, status.Aborted, broken},
		"exit":                       {lying{serve: put(0, 0) + wasmtest.Const(0) + wasmtest.Call(0) + place(0, 0)}, status.Aborted, broken},
		"loop":                       {lying{serve: wasmtest.Forever("") + wasmtest.Unreachable}, status.DeadlineExceeded, broken},
		"recursion without end":      {lying{serve: wasmtest.Get(0) + wasmtest.Get(1) + wasmtest.Get(2) + wasmtest.Get(3) + wasmtest.Get(4) + wasmtest.Call(4)}, status.ResourceExhausted, broken},
		"goes on, run answers":       {lying{serve: put(at, 1) + put(at+4, 0) + put(at+8, 0) + place(0, 0), run: place(at, 12)}, status.OK, fine},
		"goes on, run answers twice": {lying{serve: put(at, 9) + put(at+4, 0) + put(at+8, 0) + place(0, 0), run: place(at, 12)}, status.Aborted, broken},
		"goes on, run lies":          {lying{serve: place(0, 0), run: place(1<<31, 12)}, status.Aborted, broken},
		"goes on, run does nothing":  {lying{serve: place(0, 0)}, status.DeadlineExceeded, fine},
		"goes on, run traps":         {lying{serve: place(0, 0), run: wasmtest.Unreachable}, status.Aborted, broken},
		"goes on, run loops":         {lying{serve: place(0, 0), run: wasmtest.Forever("") + wasmtest.Unreachable}, status.DeadlineExceeded, broken},
		"offers outside":             {lying{offers: place(1<<31, 6), serve: record(0, 0, 0)}, status.Internal, broken},
		"offers too much":            {lying{offers: place(0, 1<<20+1), serve: record(0, 0, 0)}, status.Internal, broken},
		"offers twice":               {lying{offers: place(16, 12), serve: record(0, 0, 0)}, status.Internal, broken},
		"offers no line":             {lying{offers: place(16, 5), serve: record(0, 0, 0)}, status.Internal, broken},
		"offers nothing":             {lying{offers: place(0, 0), serve: record(0, 0, 0)}, status.Unimplemented, fine},
		"offers, and traps":          {lying{offers: wasmtest.Unreachable, serve: record(0, 0, 0)}, status.Aborted, broken},
		"grows":                      {lying{serve: wasmtest.Const(1) + wasmtest.MemoryGrow + wasmtest.Drop + record(0, 1<<16, 1<<16)}, status.Internal, fine},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, err := h.Compile(t.Context(), name, c.guest.bytes())
			require.NoError(t, err)
			i, err := g.Instantiate(t.Context())
			require.NoError(t, err)
			m := core.Method{FullName: "a.B.C", Budget: 100 * time.Millisecond}
			if c.code == status.ResourceExhausted {
				m.Budget = core.NoBudget
			}
			start := time.Now()
			err = i.Invoke(t.Context(), &m, wrapperspb.Bytes([]byte("request")), new(wrapperspb.BytesValue))
			require.Less(t, time.Since(start), 20*time.Second)
			require.Equal(t, c.code, status.CodeOf(err), err)
			for settled := false; !settled; settled = i.Settled() { // who lets go may still be about it
			}
			_, err = i.Call(t.Context(), "nothing")
			want := status.NotFound
			if !c.usable {
				want = status.Aborted
			}
			require.Equal(t, want, status.CodeOf(err), err)
			require.NoError(t, i.Close(t.Context()))
		})
	}
}

// TestLyingRequests: a guest that takes its request as it should not gets a code.
func TestLyingRequests(t *testing.T) {
	t.Parallel()
	const results = at + abi.RecordSize + 2
	take := func(n, ptr, size uint32) string {
		return wasmtest.Const(results+8*n) + wasmtest.Const(ptr) + wasmtest.Const(size) + wasmtest.Call(1) + "\x37\x00\x00" // i64.store
	}
	serve := take(0, 3000, 8) + take(1, 1<<16-4, 9) + take(2, 3000, 9) + take(3, 3000, 9) + record(0, 34, 34)
	g, err := newHost(t).Compile(t.Context(), "taker", lying{serve: serve, data: "\x0a\x20"}.bytes())
	require.NoError(t, err)
	i, err := g.Instantiate(t.Context())
	require.NoError(t, err)
	resp := new(wrapperspb.BytesValue)
	require.NoError(t, i.Invoke(t.Context(), &core.Method{FullName: "a.B.C"}, wrapperspb.Bytes([]byte("request")), resp))
	var codes []int32
	for b := resp.Value; len(b) > 0; b = b[8:] {
		code, _ := abi.Split(uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 | uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56)
		codes = append(codes, code)
	}
	require.Equal(t, []int32{-11, -11, 0, -9}, codes)
}

// TestNoServer: guests without the exports offer nothing, nor do those with others.
func TestNoServer(t *testing.T) {
	t.Parallel()
	_, g := newReactor(t)
	i, err := g.Instantiate(t.Context())
	require.NoError(t, err)
	names, err := i.Offers(t.Context())
	require.NoError(t, err)
	require.Empty(t, names)

	var m wasmtest.Module
	m.Memory(1, 1)
	m.Export("_initialize", m.Func("", "", "", ""))
	for _, name := range []string{abi.Offers, abi.Serve, abi.Run} {
		m.Export(name, m.Func("", "", "", ""))
	}
	odd, err := newHost(t).Compile(t.Context(), "odd", m.Bytes())
	require.NoError(t, err)
	i, err = odd.Instantiate(t.Context())
	require.NoError(t, err)
	_, err = send(t.Context(), i, &sendMethod, "")
	require.ErrorIs(t, err, status.Of(status.Unimplemented))
}

// TestResponsesAreBounded: a small response that becomes large when it is decoded is refused
// before.
func TestResponsesAreBounded(t *testing.T) {
	t.Parallel()
	h, err := eng.New(t.Context(), eng.WithMaxDecoded(1<<16))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.Close(context.Background())) })
	data := strings.Repeat("\x0a\x00", 10000) // a list of empty values
	g, err := h.Compile(t.Context(), "bomb", lying{serve: record(0, 20000, 20000), data: data}.bytes())
	require.NoError(t, err)
	i, err := g.Instantiate(t.Context())
	require.NoError(t, err)
	err = i.Invoke(t.Context(), &core.Method{FullName: "a.B.C"}, new(wrapperspb.BytesValue), new(structpb.ListValue))
	require.ErrorIs(t, err, status.Of(status.ResourceExhausted))
	require.ErrorContains(t, err, "max_decoded")
}

// TestServerThatSpinsWhenCancelled: a guest that is told that a call is cancelled, and does not
// return, is stopped.
func TestServerThatSpinsWhenCancelled(t *testing.T) {
	t.Parallel()
	spins := wasmtest.Get(0) + wasmtest.If + wasmtest.Forever("") + wasmtest.End
	g, err := newHost(t).Compile(t.Context(), "spins", lying{serve: wasmtest.Const64(0), run: spins + wasmtest.Const64(0)}.bytes())
	require.NoError(t, err)
	i, err := g.Instantiate(t.Context())
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err = i.Invoke(ctx, &core.Method{FullName: "a.B.C", MayBlock: true}, new(wrapperspb.BytesValue), new(wrapperspb.BytesValue))
	require.ErrorIs(t, err, status.Of(status.DeadlineExceeded))
	for err = status.Of(status.NotFound); status.CodeOf(err) == status.NotFound; { // until it is told, and stopped
		_, err = i.Call(t.Context(), "nothing")
	}
	require.ErrorIs(t, err, status.Of(status.Aborted))
	require.NoError(t, i.Close(t.Context()), "it does not hang")
}

// TestLargeErrorKeepsItsCode: the text of an error that is over the limit is lost.
func TestLargeErrorKeepsItsCode(t *testing.T) {
	t.Parallel()
	g, err := newHost(t, eng.WithMaxMessage(1000, 1000)).Compile(t.Context(), "large", lying{serve: record(-5, 1500, 1500)}.bytes())
	require.NoError(t, err)
	i, err := g.Instantiate(t.Context())
	require.NoError(t, err)
	err = i.Invoke(t.Context(), &core.Method{FullName: "a.B.C"}, new(wrapperspb.BytesValue), new(wrapperspb.BytesValue))
	require.ErrorIs(t, err, status.Of(status.NotFound))
	require.NoError(t, i.Close(t.Context()))
}
