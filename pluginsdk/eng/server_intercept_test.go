package eng_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/internal/core/coretest"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/status"
	echov1 "github.com/iansmith/parigot/pluginsdk/testdata/gen/echo/v1"
)

type next = func(context.Context) error

// queueOf returns what the request of an intercepted call says.
func queueOf(t *testing.T, c *core.Call) string {
	t.Helper()
	m, err := c.Request()
	require.NoError(t, err)
	req, _ := m.(*echov1.SendRequest)
	return req.GetQueue()
}

// TestInvokeIsIntercepted: interceptors see calls of the host to a guest as they see the others, the
// first of them outermost, and may replace what goes there and comes back.
func TestInvokeIsIntercepted(t *testing.T) {
	t.Parallel()
	var target eng.Caller
	outer := func(ctx context.Context, c *core.Call, next next) error {
		target = c.Target()
		require.Equal(t, sendMethod.FullName, c.Method().FullName)
		require.Equal(t, sendMethod.FullName, pluginsdk.FuncName(ctx))
		require.Zero(t, eng.CallerFromContext(ctx), "the host calls")
		require.Equal(t, map[string]string{"traceparent": "00-ab"}, pluginsdk.Metadata(ctx))
		deadline, ok := ctx.Deadline()
		require.True(t, ok)
		require.LessOrEqual(t, time.Until(deadline), eng.DefaultCallBudget)
		require.Nil(t, c.Response())
		if err := next(ctx); err != nil {
			return err
		}
		require.Equal(t, "00-cd true the host", c.Response().(*echov1.SendResponse).GetId())
		require.ErrorIs(t, c.SetResponse(wrapperspb.String("x")), status.Of(status.InvalidArgument))
		mine := &echov1.SendResponse{Id: "outer's"}
		require.NoError(t, c.SetResponse(mine))
		mine.Id = "not any more"
		return nil
	}
	inner := func(ctx context.Context, c *core.Call, next next) error {
		require.Equal(t, "something", queueOf(t, c))
		require.ErrorIs(t, c.SetRequest(wrapperspb.String("x")), status.Of(status.InvalidArgument))
		require.NoError(t, c.SetRequest(&echov1.SendRequest{Queue: "context"}))
		require.Equal(t, "context", queueOf(t, c))
		return next(pluginsdk.WithMetadata(ctx, "traceparent", "00-cd"))
	}
	g := serverGuest(t, eng.WithInterceptors(outer, inner))
	i, err := g.Instantiate(t.Context())
	require.NoError(t, err)
	p, err := g.NewPool(t.Context(), 1, 1)
	require.NoError(t, err)
	for _, c := range []core.Conn{i, p} {
		target = eng.Caller{}
		req, resp := &echov1.SendRequest{Queue: "something"}, new(echov1.SendResponse)
		require.NoError(t, c.Invoke(pluginsdk.WithMetadata(t.Context(), "traceparent", "00-ab"), &sendMethod, req, resp))
		require.Equal(t, "something", req.GetQueue(), "it is the caller's")
		require.True(t, proto.Equal(&echov1.SendResponse{Id: "outer's"}, resp), resp)
		require.Equal(t, "server", target.Name)
		require.Equal(t, c == core.Conn(i), target == i.Caller())
	}
}

// TestInterceptorSeesTheEnd of a call that goes on: next returns when the call has.
func TestInterceptorSeesTheEnd(t *testing.T) {
	t.Parallel()
	entered, over := make(chan struct{}), make(chan error, 1)
	i, err := serverGuest(t, eng.WithInterceptors(func(ctx context.Context, c *core.Call, next next) error {
		if !c.Method().MayBlock {
			return next(ctx)
		}
		close(entered)
		err := next(ctx)
		over <- err
		return err
	})).Instantiate(t.Context())
	require.NoError(t, err)
	resp, done := new(echov1.WaitResponse), make(chan error, 1)
	go func() {
		done <- i.Invoke(t.Context(), &waitMethod, &echov1.WaitRequest{Send: &echov1.SendRequest{Queue: "gate"}}, resp)
	}()
	<-entered
	require.Empty(t, over)
	_, err = send(t.Context(), i, &sendMethod, "open sesame")
	require.NoError(t, err)
	require.NoError(t, <-over)
	require.NoError(t, <-done)
	require.Equal(t, "sesame", resp.GetSend().GetId())
}

// TestInterceptorOfInvokeFails: what an interceptor returns is what the host sees.
func TestInterceptorOfInvokeFails(t *testing.T) {
	t.Parallel()
	const limit = 1000
	var log bytes.Buffer
	h, g := serverOn(t, eng.WithMaxMessage(limit, limit), eng.WithLogger(slog.New(slog.NewTextHandler(&log, nil))),
		eng.WithInterceptors(func(ctx context.Context, c *core.Call, next next) error {
			switch what := queueOf(t, c); what {
			case "coded":
				return fmt.Errorf("so: %w", status.Error(status.PermissionDenied, "not you"))
			case "uncoded":
				return errors.New("secret error")
			case "panics":
				panic("secret panic")
			case "panics late":
				_ = next(ctx)
				panic("secret panic")
			case "says nothing":
				return nil
			case "code":
				_ = next(ctx)
				require.Nil(t, c.Response())
				return nil
			case "enum":
				require.NoError(t, c.SetResponse(&echov1.SendResponse{Id: "too early"}))
				_ = next(ctx)
				return nil
			case "twice":
				_ = next(ctx)
				return next(ctx)
			case "large request":
				return c.SetRequest(&echov1.SendRequest{Payload: make([]byte, limit)})
			case "large response":
				_ = next(ctx)
				return c.SetResponse(&echov1.SendResponse{Payload: make([]byte, limit)})
			case "hurry":
				ctx, cancel := context.WithTimeout(ctx, 0)
				defer cancel()
				return next(ctx)
			case "count":
				return next(ctx)
			default:
				require.Failf(t, "intercepted", "%.100s", what)
				return nil
			}
		}))
	i, err := g.Instantiate(t.Context())
	require.NoError(t, err)
	calls, incidents := 0, uint64(0)
	for what, want := range map[string]struct {
		code   status.Code
		text   string
		served bool
	}{
		"coded":                  {status.PermissionDenied, "so: PERMISSION_DENIED: not you", false},
		"uncoded":                {status.Internal, "incident", false},
		"panics":                 {status.Internal, "incident", false},
		"panics late":            {status.Internal, "incident", true},
		"says nothing":           {0, "", false},
		"code":                   {0, "", true},
		"enum":                   {0, "", true},
		"twice":                  {status.FailedPrecondition, "echo.v1.Echo.Send: an interceptor called next twice", true},
		"large request":          {status.ResourceExhausted, "the host takes 1000", false},
		"large response":         {status.ResourceExhausted, "the host takes 1000", true},
		"hurry":                  {status.DeadlineExceeded, "", false},
		strings.Repeat("x", 999): {status.ResourceExhausted, "the host takes 1000", false}, // reaches none
	} {
		resp, err := send(t.Context(), i, &sendMethod, what)
		require.Equal(t, want.code, status.CodeOf(err), "%s: %v", what, err)
		if want.code == 0 {
			require.True(t, proto.Equal(new(echov1.SendResponse), resp), what)
		} else {
			require.ErrorContains(t, err, want.text)
			require.NotContains(t, err.Error(), "secret")
		}
		if want.text == "incident" {
			incidents++
		}
		require.Equal(t, incidents, h.Stats().Incidents, what)
		calls++
		if !want.served {
			calls--
		}
		resp, err = send(t.Context(), i, &sendMethod, "count")
		require.NoError(t, err, what)
		calls++
		require.EqualValues(t, calls, resp.GetSeq(), what)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	_, err = send(ended, i, &sendMethod, "reaches none")
	require.ErrorIs(t, err, status.Of(status.Cancelled))
	require.Contains(t, log.String(), "secret error")
	require.Contains(t, log.String(), "secret panic")
}

// TestInterceptBothWays: interceptors tell the calls of a guest from those to it, also while it
// serves one.
func TestInterceptBothWays(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var seen []string
	h := newHost(t, eng.WithInterceptors(func(ctx context.Context, c *core.Call, next next) error {
		err := next(ctx)
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, fmt.Sprintf("%q calls %s of %q", eng.CallerFromContext(ctx).Name, c.Method().FullName, c.Target().Name))
		return err
	}))
	do := func(context.Context, *wrapperspb.BytesValue, *wrapperspb.BytesValue) error { return nil }
	require.NoError(t, coretest.Register(t.Context(), h, "test.v1.Test", nil, coretest.Unary(core.Method{Name: "Do"}, do)))
	i := goingServer(t, h, "test.v1.Test", "Do")
	require.NoError(t, i.Invoke(t.Context(), &goingMethod, new(wrapperspb.BytesValue), new(wrapperspb.BytesValue)))
	require.Equal(t, []string{`"going" calls test.v1.Test.Do of ""`, `"" calls a.B.C of "going"`}, seen)
}

// TestSlowServers: a call to a guest that takes longer than its budget is in the log and counted,
// however it ends.
func TestSlowServers(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	var wait time.Duration
	h, g := serverOn(t, eng.WithLogger(slog.New(slog.NewTextHandler(&log, nil))),
		eng.WithInterceptors(func(ctx context.Context, _ *core.Call, next next) error {
			<-time.After(wait)
			return next(ctx)
		}))
	p, err := g.NewPool(t.Context(), 1, 1)
	require.NoError(t, err)
	_, err = send(t.Context(), p, slow(sendMethod), "sleep 10ms")
	require.NoError(t, err)
	require.Zero(t, h.Stats().SlowCalls, "it has no budget")
	const budget = 20 * time.Millisecond
	late, blocking := sendMethod, waitMethod
	late.Budget, blocking.Budget = budget, budget
	_, err = send(t.Context(), p, &late, "spin")
	require.ErrorIs(t, err, status.Of(status.DeadlineExceeded))
	require.EqualValues(t, 1, h.Stats().SlowCalls)
	require.Regexp(t, `level=WARN msg="slow call" call=echo.v1.Echo.Send guest=server took=\S+ budget=20ms\n`, log.String())
	err = p.Invoke(t.Context(), &blocking, &echov1.WaitRequest{Send: &echov1.SendRequest{Queue: "sleep 1h"}}, new(echov1.WaitResponse))
	require.ErrorIs(t, err, status.Of(status.DeadlineExceeded))
	require.EqualValues(t, 2, h.Stats().SlowCalls)
	wait = 2 * budget
	_, err = send(t.Context(), p, &late, "")
	require.ErrorIs(t, err, status.Of(status.DeadlineExceeded))
	require.EqualValues(t, 3, h.Stats().SlowCalls)
}
