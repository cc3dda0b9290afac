package eng_test

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/internal/core/coretest"
	"github.com/iansmith/parigot/internal/guesttest"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// logLines returns a log, and the lines that it gets.
func logLines(t *testing.T) (*slog.Logger, *lineReader) {
	t.Helper()
	r, w := io.Pipe()
	lines := &lineReader{t: t, lines: make(chan string, 1000)}
	go func() {
		buf := make([]byte, 64<<10)
		for {
			n, err := r.Read(buf) // a record is one Write
			if err != nil {
				return
			}
			lines.lines <- string(buf[:n])
		}
	}()
	t.Cleanup(func() { _ = w.Close() })
	return slog.New(slog.NewTextHandler(w, nil)), lines
}

type lineReader struct {
	t     *testing.T
	lines chan string
}

// await returns the next line with the text.
func (r *lineReader) await(text string) string {
	r.t.Helper()
	for late := time.After(2 * time.Minute); ; {
		select {
		case line := <-r.lines:
			if strings.Contains(line, text) {
				return line
			}
		case <-late:
			require.FailNow(r.t, "not in the log", text)
		}
	}
}

// TestHungCallIsLogged: a call that does not return is in the log at its budget and again, with
// its guest and method, and it is what Close says when it gives up.
func TestHungCallIsLogged(t *testing.T) {
	t.Parallel()
	log, lines := logLines(t)
	h, err := eng.New(t.Context(), eng.WithCacheDir(guesttest.CacheDir(t)), eng.WithLogger(log), eng.WithCallBudget(time.Millisecond))
	require.NoError(t, err)
	gate := make(chan struct{})
	require.NoError(t, coretest.Register(t.Context(), h, "test.v1.Test", nil,
		coretest.Unary(core.Method{Name: "Echo"}, func(context.Context, *wrapperspb.BytesValue, *wrapperspb.BytesValue) error {
			<-gate
			return nil
		})))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	guest := compile(t, h)
	go func() {
		_, err := guest.Run(ctx, eng.WithArgs("bench", "1", "16"))
		ended <- err
	}()
	for range 2 {
		require.Regexp(t, `level=WARN msg="a call does not return" call=test.v1.Test.Echo guest=tester instance=\S+ running=\S+ budget=1ms`,
			lines.await("does not return"))
	}
	cancel()
	require.Regexp(t, `msg="a call of a stopped guest does not return: its plugin does not watch its context" call=test.v1.Test.Echo guest=tester`,
		lines.await("stopped guest"))
	require.Regexp(t, `^close engine: guest tester is still in test\.v1\.Test\.Echo since \S+: its plugin does not watch its context: context canceled$`, h.Close(ctx))
	close(gate)
	t.Log(<-ended) // by itself, or by its context
	lines.await("slow call")
	require.NoError(t, h.Close(context.Background()))
}

// TestHungCallOfStoppedGuest: the same goes for calls that may block: they have no budget, but
// should end with their guest.
func TestHungCallOfStoppedGuest(t *testing.T) {
	t.Parallel()
	log, lines := logLines(t)
	b := setupOverlap(t, eng.WithLogger(log))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := b.guest.Run(ctx, eng.WithArgs("ignore"))
		ended <- err
	}()
	<-b.impl.entered
	cancel()
	for range 2 {
		require.Contains(t, lines.await("does not return"), "a call of a stopped guest does not return: "+
			`its plugin does not watch its context" call=test.v1.Overlap.Work guest=tester`)
	}
	require.ErrorIs(t, <-ended, status.Of(status.Cancelled))
	require.ErrorContains(t, b.host.Close(ctx), "guest tester is still in test.v1.Overlap.Work since ")
	close(b.impl.gate)
}
