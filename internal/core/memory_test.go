package core_test

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/internal/instance"
	"github.com/iansmith/parigot/pluginsdk/id"
	"github.com/iansmith/parigot/pluginsdk/parigotimpl"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// memoryModule is a wasm module that has one page of memory and exports it.
var memoryModule = []byte{
	0x00, 'a', 's', 'm', 0x01, 0x00, 0x00, 0x00,
	0x05, 0x03, 0x01, 0x00, 0x01, // memory section: one memory, at least one page
	0x07, 0x0a, 0x01, 0x06, 'm', 'e', 'm', 'o', 'r', 'y', 0x02, 0x00, // export section
}

const memorySize = 64 << 10

// mask fills the memory, so that each byte that a call writes shows.
const mask = 0xa5

// newMemory returns a module with real memory, filled with the mask.
func newMemory(tb testing.TB) api.Module {
	tb.Helper()
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	tb.Cleanup(func() { require.NoError(tb, r.Close(ctx)) })
	m, err := r.Instantiate(ctx, memoryModule)
	require.NoError(tb, err)
	fillMemory(m)
	return m
}

func fillMemory(m api.Module) {
	b, _ := m.Memory().Read(0, m.Memory().Size())
	copy(b, bytes.Repeat([]byte{mask}, len(b)))
}

type bytesValue = *wrapperspb.BytesValue

// bench is a guest instance without a guest: its memory and its state.
type bench struct {
	t     testing.TB
	m     api.Module
	state *instance.State
	ctx   context.Context
	log   bytes.Buffer

	budget   time.Duration // of the method; 0 is that of the state
	mayBlock bool
	busy     sync.WaitGroup // implementations of calls that may block
}

func newBench(tb testing.TB) *bench {
	b := &bench{t: tb, m: newMemory(tb)}
	b.state = &instance.State{
		ID:       id.New[id.HostKind](),
		Name:     "test",
		Limits:   instance.Limits{MaxRequest: 32 << 10, MaxResponse: 32 << 10, MaxDecoded: 1 << 20, Budget: time.Second},
		Logger:   slog.New(slog.NewTextHandler(&b.log, nil)),
		Counters: new(instance.Counters),
		Account:  instance.NewAccount(64 << 10),
	}
	b.state.Calls = instance.NewCalls(10, b.state.Account, &b.busy)
	b.ctx = instance.NewContext(context.Background(), b.state)
	return b
}

// request writes an encoded request to memory and returns its length.
func (b *bench) request(ptr uint32, value []byte) uint32 {
	req, err := proto.Marshal(wrapperspb.Bytes(value))
	require.NoError(b.t, err)
	require.True(b.t, b.m.Memory().Write(ptr, req))
	return uint32(len(req))
}

// invoke calls the bridge with the upper halves of the parameters set, as wazero
// may leave them.
func (b *bench) invoke(impl func(context.Context, bytesValue, bytesValue) error, reqPtr, reqLen, respPtr, respCap uint32) (code int32, n uint32) {
	const garbage = 0xdeadbeef << 32
	stack := []uint64{garbage | uint64(reqPtr), garbage | uint64(reqLen), garbage | uint64(respPtr), garbage | uint64(respCap)}
	serverOf(b.t, impl, &core.Method{FullName: "test.v1.Test.Call", Budget: b.budget, MayBlock: b.mayBlock}).Stack(b.ctx, b.m, stack)
	return abi.Split(stack[0])
}

// serverOf returns the server of a method whose implementation is impl.
func serverOf(tb testing.TB, impl func(context.Context, bytesValue, bytesValue) error, m *core.Method) core.Server {
	tb.Helper()
	s, err := parigotimpl.Handle(call, fill, bridge).Bind(impl, m, false)
	require.NoError(tb, err)
	return s
}

func call(impl func(context.Context, bytesValue, bytesValue) error, ctx context.Context, req bytesValue) (bytesValue, error) {
	resp := new(wrapperspb.BytesValue)
	return resp, impl(ctx, req, resp)
}

func fill(impl func(context.Context, bytesValue, bytesValue) error, ctx context.Context, req, resp bytesValue) error {
	return impl(ctx, req, resp)
}

func bridge(ctx context.Context, h *parigotimpl.Handler[bytesValue, bytesValue], m api.Module, stack []uint64) {
	req, resp := h.Messages(ctx)
	core.Stack(ctx, "test.v1.Test.Call", m, stack, h.Serve, req, resp)
}

// call is invoke with the request at 0 and a response buffer of 1 KiB at 4096.
func (b *bench) call(impl func(context.Context, bytesValue, bytesValue) error) (code int32, n uint32) {
	return b.invoke(impl, 0, b.request(0, []byte("ping")), 4096, 1024)
}

// statusAt decodes the status that a failed call left.
func (b *bench) statusAt(code int32, ptr, n uint32) *status.Status {
	data, ok := b.m.Memory().Read(ptr, n)
	require.True(b.t, ok)
	return decodeStatus(b.t, code, data)
}

func decodeStatus(tb testing.TB, code int32, data []byte) *status.Status {
	p := new(spb.Status)
	require.NoError(tb, proto.Unmarshal(data, p))
	return status.FromProto(code, p)
}

// untouched requires that the memory holds nothing but the mask from ptr to end.
func (b *bench) untouched(ptr, end uint32) {
	b.t.Helper()
	got, ok := b.m.Memory().Read(ptr, end-ptr)
	require.True(b.t, ok)
	require.Equal(b.t, bytes.Repeat([]byte{mask}, int(end-ptr)), got, "bytes %d to %d were written", ptr, end)
}

func echo(_ context.Context, req, resp bytesValue) error {
	resp.Value = req.Value
	return nil
}
