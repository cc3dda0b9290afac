package eng_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/internal/guesttest"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/status"
)

func TestGuestIsStoppedAtItsLimits(t *testing.T) {
	t.Parallel()
	guesttest.Warm(t, guesttest.Build(t, "testdata/guest"), smallLimit)
	h := newHost(t, eng.WithMemoryLimit(smallLimit))
	g := compile(t, h)

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := g.Run(ctx, eng.WithArgs("spin"))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, err, status.Of(status.DeadlineExceeded))

	for _, mode := range []string{"recurse", "grow"} {
		var out bytes.Buffer
		code, err := g.Run(t.Context(), eng.WithArgs(mode), eng.WithStderr(&out))
		if err != nil {
			require.ErrorIs(t, err, status.Of(status.Aborted), mode)
		} else {
			require.NotZero(t, code, mode)
		}
		require.Contains(t, out.String(), "fatal error", mode)
	}

	_, err = newHost(t, eng.WithMemoryLimit(1<<20)).Compile(t.Context(), "big", guesttest.Build(t, "testdata/guest"))
	require.ErrorContains(t, err, "memory")
}

// TestDeepRecursion: a Go guest may call 100,000 functions deep.
func TestDeepRecursion(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	code, err := compile(t, h).Run(t.Context(), eng.WithArgs("deep", "100000"))
	require.NoError(t, err)
	require.Zero(t, code)
	code, err = compile(t, h, eng.GuestStackLimit(1<<20)).Run(t.Context(), eng.WithArgs("deep", "100000"))
	require.ErrorIs(t, err, status.Of(status.ResourceExhausted), code)
}

// smallLimit is little for a Go guest.
const smallLimit = 32 << 20

// tiny is a module with a memory, whose function _start does nothing.
const tiny = "\x00asm\x01\x00\x00\x00" +
	"\x01\x04\x01\x60\x00\x00" + // type 0: () -> ()
	"\x03\x02\x01\x00" + // function 0 is of type 0
	"\x05\x03\x01\x00\x01" + // a memory of at least one page
	"\x07\x13\x02\x06memory\x02\x00\x06_start\x00\x00" +
	"\x0a\x04\x01\x02\x00\x0b"

// TestGuestMemoryLimit: a guest can have a limit of its own, which others do not have, and
// the host can see that it reached it.
func TestGuestMemoryLimit(t *testing.T) {
	t.Parallel()
	guesttest.Warm(t, guesttest.Build(t, "testdata/guest"), smallLimit)
	h := newHost(t, eng.WithMemoryLimit(4<<30))
	var usage eng.Usage
	code, err := compile(t, h, eng.GuestMemoryLimit(smallLimit)).Run(t.Context(), eng.WithArgs("grow"), eng.WithUsage(&usage))
	require.NoError(t, err)
	require.EqualValues(t, 2, code)
	require.EqualValues(t, smallLimit, usage.MemoryLimit)
	require.LessOrEqual(t, usage.Memory, usage.MemoryLimit)
	require.Greater(t, usage.Memory, usage.MemoryLimit*3/4)

	g, err := h.Compile(t.Context(), "other", []byte(tiny))
	require.NoError(t, err)
	_, err = g.Run(t.Context(), eng.WithUsage(&usage))
	require.NoError(t, err)
	require.EqualValues(t, 4<<30, usage.MemoryLimit)
	_, err = h.Compile(t.Context(), "big", guesttest.Build(t, "testdata/guest"), eng.GuestMemoryLimit(1<<20))
	require.ErrorContains(t, err, "bytes of memory to begin with, more than its limit of 1048576")
}

func TestGuestIsStoppedInItsSleep(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for _, opts := range [][]eng.GuestOption{nil, {eng.Trusted()}} {
		g := compile(t, h, opts...)
		ctx, cancel := context.WithCancel(t.Context())
		asleep := make(signal)
		context.AfterFunc(t.Context(), cancel)
		go func() {
			<-asleep
			cancel()
		}()
		_, err := g.Run(ctx, eng.WithArgs("sleep"), eng.WithStdout(asleep))
		require.ErrorIs(t, err, status.Of(status.Cancelled))
	}
}
