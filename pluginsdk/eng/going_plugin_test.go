package eng_test

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero/api"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/internal/core/coretest"
	"github.com/iansmith/parigot/internal/wasm/wasmtest"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/status"
)

var goingMethod = core.Method{FullName: "a.B.C", MayBlock: true}

// goingServer is a library whose one method goes on: then it calls methods of a plugin, and
// answers.
func goingServer(t *testing.T, h *eng.Host, module string, calls ...string) *eng.Instance {
	t.Helper()
	var m wasmtest.Module
	m.Import("parigot", abi.Await, wasmtest.I64+wasmtest.I32+wasmtest.I32, wasmtest.I64) // otherwise its calls block
	zero := strings.Repeat(wasmtest.Const(0), 4)
	var run strings.Builder
	for _, function := range calls {
		f := m.Import(module, function, wasmtest.I32+wasmtest.I32+wasmtest.I32+wasmtest.I32, wasmtest.I64)
		run.WriteString(zero + wasmtest.Call(f) + wasmtest.Drop)
	}
	run.WriteString(put(at, 1) + put(at+4, 0) + put(at+8, 0) + wasmtest.Const64(abi.Place(at, abi.RecordSize)))
	m.Memory(1, 1)
	m.Export("_initialize", m.Func("", "", "", ""))
	m.Export(abi.Offers, m.Func("", wasmtest.I64, "", wasmtest.Const64(abi.Place(16, 6))))
	m.Export(abi.Serve, m.Func(call64, wasmtest.I64, "", wasmtest.Const64(0)))
	m.Export(abi.Run, m.Func(wasmtest.I32+wasmtest.I64, wasmtest.I64, "", run.String()))
	m.Data(16, "a.B.C\n")
	g, err := h.Compile(t.Context(), "going", m.Bytes())
	require.NoError(t, err)
	i, err := g.Instantiate(t.Context())
	require.NoError(t, err)
	return i
}

// TestCallsOfAPluginQueue: a plugin's call that goes on waits for the instance that made it, also
// while that is in another call of a plugin.
func TestCallsOfAPluginQueue(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	var i *eng.Instance
	held, tried, failed := make(chan struct{}), make(chan struct{}), make(chan error, 2)
	back := func(ctx context.Context, _, _ *wrapperspb.BytesValue) error {
		<-held
		soon, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		defer cancel()
		_, err := i.Call(soon, "nothing")
		failed <- err
		close(tried)
		_, err = i.Call(ctx, "nothing")
		failed <- err
		return nil
	}
	hold := func(context.Context, *wrapperspb.BytesValue, *wrapperspb.BytesValue) error {
		close(held)
		<-tried
		return nil
	}
	require.NoError(t, coretest.Register(t.Context(), h, "test.v1.Back", struct{}{},
		coretest.Unary(core.Method{Name: "Back", MayBlock: true}, back),
		coretest.Unary(core.Method{Name: "Hold", Budget: core.NoBudget}, hold)))
	i = goingServer(t, h, "test.v1.Back", "Back", "Hold")
	require.NoError(t, i.Invoke(t.Context(), &goingMethod, new(wrapperspb.BytesValue), new(wrapperspb.BytesValue)))
	require.ErrorIs(t, <-failed, status.Of(status.DeadlineExceeded), "it queued")
	require.ErrorIs(t, <-failed, status.Of(status.NotFound), "it entered")
	require.NoError(t, i.Close(t.Context()))
}

// TestGoexitWhileCallsGoOn: a plugin that ends the goroutine of who lets calls go on leaves
// nothing behind that a later call would wait for.
func TestGoexitWhileCallsGoOn(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	require.NoError(t, h.Register(t.Context(), eng.HostModule{Name: "end", Functions: []eng.Function{{
		Name: "End", Call: func(context.Context, api.Module, []uint64) { runtime.Goexit() },
	}}}))
	i := goingServer(t, h, "end", "End")
	invoke := func() error {
		return i.Invoke(t.Context(), &goingMethod, new(wrapperspb.BytesValue), new(wrapperspb.BytesValue))
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = invoke()
	}()
	<-ended
	require.ErrorIs(t, invoke(), status.Of(status.Aborted))
	require.NoError(t, i.Close(t.Context()))
}
