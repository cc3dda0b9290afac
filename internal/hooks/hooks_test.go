package hooks_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/internal/hooks"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// TestHooks: what was added last is called first, each time a guest ends and once at the end, and
// a plugin that panics does not keep others from hearing.
func TestHooks(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	h := &hooks.Hooks{Log: slog.New(slog.NewTextHandler(&log, nil))}
	require.Same(t, h.Log, h.Logger())
	var heard []string
	h.OnGuestExit(func(_ context.Context, c core.Caller) { heard = append(heard, "first "+c.Name) })
	h.OnGuestExit(func(context.Context, core.Caller) { panic("a plugin's fault") })
	h.OnGuestExit(func(_ context.Context, c core.Caller) { heard = append(heard, "second "+c.Name) })
	h.GuestEnded(t.Context(), core.Caller{Name: "guest"})
	require.Equal(t, []string{"second guest", "first guest"}, heard)
	require.Contains(t, log.String(), "a plugin's fault")

	wrong := errors.New("it closed badly")
	h.OnClose(func(context.Context) error { heard = append(heard, "closed"); return wrong })
	h.OnClose(func(context.Context) error { panic("another") })
	call := func(fn func(context.Context) error) error {
		return h.Guard("OnClose", func() error { return fn(t.Context()) })
	}
	err := h.Close(call)
	require.ErrorIs(t, err, wrong)
	require.ErrorContains(t, err, "panic in a plugin's OnClose: another")
	require.NoError(t, h.Close(call))
	require.Equal(t, []string{"second guest", "first guest", "closed"}, heard)
}

// TestFailures: one is itself, several are joined, and they are told once.
func TestFailures(t *testing.T) {
	t.Parallel()
	h := new(hooks.Hooks)
	h.Fail(nil)
	require.NoError(t, h.Failures())
	one, two := errors.New("one"), errors.New("two")
	h.Fail(one)
	require.Same(t, one, h.Failures())
	h.Fail(one)
	h.Fail(two)
	require.EqualError(t, h.Failures(), "one\ntwo")
	require.NoError(t, h.Failures())
}

// TestCheckModule: names are there, not reserved, and not taken.
func TestCheckModule(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		module    string
		functions []string
		want      error
	}{
		{"a.B", []string{"F", "G"}, nil},
		{"a.B", nil, nil},
		{"", nil, status.Of(status.InvalidArgument)},
		{"parigot", nil, status.Of(status.InvalidArgument)},
		{"wasi_snapshot_preview1", nil, status.Of(status.InvalidArgument)},
		{"a.B", []string{"F", ""}, status.Of(status.InvalidArgument)},
		{"a.B", []string{"F", "F"}, status.Of(status.AlreadyExists)},
		{"a.B", []string{"F", "Taken"}, status.Of(status.AlreadyExists)},
	} {
		err := hooks.CheckModule(c.module, c.functions, func(f string) string { return f }, func(name string) bool { return name == "Taken" })
		require.ErrorIs(t, err, c.want, "%s %q", c.module, c.functions)
	}
}
