package eng_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/internal/core/coretest"
	"github.com/iansmith/parigot/internal/guesttest"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/plugintest"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// overlapImpl has a method that may block, whose requests say how it is to end,
// and one that may not.
type overlapImpl struct {
	begun   atomic.Int64
	ended   atomic.Int64  // calls whose context ended
	endings chan struct{} // one for each of them
	entered chan struct{} // one for each call that waits
	gate    chan struct{} // "gate" waits for it to be closed, "ignore" too
	release chan struct{} // "released" waits for a token
}

func newOverlapImpl() *overlapImpl {
	return &overlapImpl{
		endings: make(chan struct{}, 1<<16), entered: make(chan struct{}, 1<<16), gate: make(chan struct{}), release: make(chan struct{}, 16),
	}
}

func (o *overlapImpl) work(ctx context.Context, req, resp *wrapperspb.BytesValue) error {
	o.begun.Add(1)
	resp.Value = req.Value
	what, arg, _ := strings.Cut(string(req.Value), " ")
	switch what {
	case "sleep":
		d, _, _ := strings.Cut(arg, " ")
		limit, err := time.ParseDuration(d)
		if err != nil {
			return err
		}
		time.Sleep(limit)
	case "block":
		o.entered <- struct{}{}
		<-ctx.Done()
		o.ended.Add(1)
		o.endings <- struct{}{}
		return ctx.Err()
	case "ignore":
		o.entered <- struct{}{}
		<-o.gate
	case "gate":
		o.entered <- struct{}{}
		select {
		case <-o.gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	case "ended":
		n, err := strconv.Atoi(arg)
		if err != nil {
			return err
		}
		for range n - 1 { // one of the calls does not watch its context
			<-o.endings
		}
		resp.Value = fmt.Appendf(nil, "%d calls ended", o.ended.Load())
	case "cpu":
		d, err := time.ParseDuration(arg)
		for start := time.Now(); time.Since(start) < d; {
		}
		return err
	case "yield":
		n, err := strconv.Atoi(arg)
		for range n {
			runtime.Gosched()
		}
		return err
	case "late":
		time.Sleep(2 * time.Millisecond) // longer than a guest waits for a call
		return late(arg, resp)
	case "released": // by a call of the other method
		<-o.release
		return late(arg, resp)
	case "budget":
		time.Sleep(2 * time.Millisecond)
		deadline, ok := ctx.Deadline()
		resp.Value = fmt.Appendf(nil, "deadline %v %v traceparent %q caller %s", ok, time.Until(deadline) > 0,
			pluginsdk.Metadata(ctx)["traceparent"], eng.CallerFromContext(ctx).Name)
	}
	return nil
}

func late(how string, resp *wrapperspb.BytesValue) error {
	what, arg, _ := strings.Cut(how, " ")
	switch what {
	case "fail":
		return status.Error(status.NotFound, "nothing there")
	case "panic":
		panic("secret of the host")
	case "goexit":
		runtime.Goexit()
	case "secret":
		return errors.New("secret of the host")
	case "size":
		n, err := strconv.Atoi(arg)
		resp.Value = bytes.Repeat([]byte("x"), n)
		return err
	}
	return nil
}

func (o *overlapImpl) plain(_ context.Context, req, resp *wrapperspb.BytesValue) error {
	resp.Value = req.Value
	if string(req.Value) == "release" {
		o.release <- struct{}{}
	}
	return nil
}

func (o *overlapImpl) register(tb testing.TB, h *eng.Host) {
	tb.Helper()
	require.NoError(tb, coretest.Register(tb.Context(), h, "test.v1.Overlap", o,
		coretest.Unary(core.Method{Name: "Work", MayBlock: true}, o.work),
		coretest.Unary(core.Method{Name: "Plain"}, o.plain)))
}

// overlapBundle is an engine, and a guest whose calls overlap.
type overlapBundle struct {
	t     *testing.T
	impl  *overlapImpl
	host  *eng.Host
	guest *eng.Guest
}

func setupOverlap(t *testing.T, opts ...eng.Option) *overlapBundle {
	t.Helper()
	b := &overlapBundle{t: t, impl: newOverlapImpl()}
	var err error
	b.host = plugintest.Engine(t, opts...)
	t.Cleanup(func() { require.NoError(t, b.host.Close(context.Background())) })
	b.impl.register(t, b.host)
	b.guest, err = b.host.Compile(t.Context(), "tester", guesttest.Build(t, "testdata/overlap"))
	require.NoError(t, err)
	return b
}

func (b *overlapBundle) run(args ...string) string {
	b.t.Helper()
	var out bytes.Buffer
	code, err := b.guest.Run(b.t.Context(), eng.WithArgs(args...), eng.WithStdout(&out), eng.WithStderr(&out))
	require.NoError(b.t, err)
	require.Zero(b.t, code, out.String())
	return out.String()
}
