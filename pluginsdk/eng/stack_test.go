package eng

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero/api"

	"github.com/iansmith/parigot/internal/fuel"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// recursion is a module in which function 1 calls function 2 with a number, and that
// calls itself as often, around which its body is. At the bottom it calls m.f.
func recursion(params, body string) []byte {
	entry := "\x00\x41\x80\xb5\x18" + strings.Repeat("\x41\x00", len(params)-1) + "\x10\x02\x0b" // 400,000
	return []byte(preamble +
		sectionOf(1, "\x03\x60\x00\x00\x60\x04\x7f\x7f\x7f\x7f\x01\x7e\x60"+uleb(uint64(len(params)))+params+"\x00") +
		sectionOf(2, "\x01\x01m\x01f\x00\x01") +
		sectionOf(3, "\x02\x00\x02") +
		sectionOf(5, "\x01\x00\x01") +
		sectionOf(7, "\x01\x06_start\x00\x01") +
		sectionOf(10, "\x02"+uleb(uint64(len(entry)))+entry+uleb(uint64(len(body)+1))+body+"\x0b"))
}

const (
	deeper = "\x20\x00\x41\x01\x6b" // the number, less 1
	bottom = "\x20\x00\x45\x04\x40" + tell + "\x0f\x0b"
)

// deepModules have frames of several sizes on the stack.
func deepModules() map[string][]byte {
	const values = 400
	locals := each(values, func(i uint64) string { return "\x41\x00\x28\x02\x00\x21" + uleb(i+1) })
	uses := each(values, func(i uint64) string { return "\x20" + uleb(i+1) + "\x1a\x41\x00\x20" + uleb(i+1) + "\x36\x02\x00" })
	loops := each(20, func(i uint64) string { return "\x03\x40" + setLocal(i+1) })
	return map[string][]byte{
		"small frames":   recursion("\x7f", "\x00"+bottom+deeper+"\x10\x02"),
		"many variables": recursion("\x7f", "\x01"+uleb(values)+"\x7f"+bottom+locals+deeper+"\x10\x02"+uses),
		"many values":    recursion("\x7f", "\x00"+bottom+times(values, "\x41\x00\x28\x02\x00")+deeper+"\x10\x02"+times(values-1, "\x73")+"\x21\x00"),
		"vectors":        recursion("\x7f", "\x00"+bottom+times(values, "\x41\x00\xfd\x00\x04\x00")+deeper+"\x10\x02"+times(values-1, "\xfd\x51")+"\xfd\x53\x21\x00"),
		"parameters":     recursion(times(values, "\x7f"), "\x00"+bottom+deeper+times(values-1, "\x20\x01")+"\x10\x02"),
		"nested loops":   recursion("\x7f", "\x01\x28\x7f"+bottom+loops+deeper+"\x10\x02"+times(20, "\x0b")),
	}
}

// TestStackLimit: a guest that calls too deep ends, and its stack has not become much
// larger than its limit by then.
func TestStackLimit(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20
	h, err := New(t.Context(), WithLogger(slog.New(slog.DiscardHandler)), WithMemoryLimit(1<<20), WithStackLimit(limit))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.Close(context.Background())) })
	reached := func(context.Context, api.Module, []uint64) { t.Error("the guest goes on") }
	require.NoError(t, h.Register(t.Context(), HostModule{Name: "m", Functions: []Function{{Name: "f", Call: reached}}}))
	for name, module := range deepModules() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, err := h.Compile(t.Context(), "deep", module)
			require.NoError(t, err)
			i, err := g.begin(t.Context(), nil)
			require.NoError(t, err)
			defer func() { require.NoError(t, i.end(t.Context())) }()
			err = g.explain(nil, i.launch(t.Context(), "_start"))
			require.ErrorIs(t, err, status.Of(status.ResourceExhausted))
			require.EqualError(t, err, `run guest "deep": RESOURCE_EXHAUSTED: the guest stopped: its stack is larger than its stack_limit, which is 1 MiB: its functions call each other too deep`)
			size, _ := stackSize(i.state.Entered)
			t.Logf("%d bytes", size)
			require.Greater(t, size, uint64(limit))
			require.Less(t, size, uint64(2*(limit+fuel.Tank)))
		})
	}
}

// TestHiddenStack: with a wazero that keeps the stack elsewhere no guest runs without a limit.
func TestHiddenStack(t *testing.T) {
	t.Parallel()
	type function struct {
		api.Function
		stack int //nolint:unused // what is looked for, but of another type
	}
	for _, f := range []api.Function{nil, &function{}, &struct{ api.Function }{}} {
		require.ErrorIs(t, checkStack(f), status.Of(status.Internal))
	}
}
