package eng_test

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/status"
	echov1 "github.com/iansmith/parigot/pluginsdk/testdata/gen/echo/v1"
)

func wait(ctx context.Context, c core.Conn, what string) (*echov1.WaitResponse, error) {
	resp := new(echov1.WaitResponse)
	return resp, c.Invoke(ctx, &waitMethod, &echov1.WaitRequest{Send: &echov1.SendRequest{Queue: what}}, resp)
}

// TestCallsThatGoOn: calls of a method that may block wait beside each other, and others come
// meanwhile.
func TestCallsThatGoOn(t *testing.T) {
	t.Parallel()
	i := newServer(t)
	ctx := t.Context()
	resp, err := wait(ctx, i, "echo")
	require.NoError(t, err)
	require.Equal(t, "0123456789abcdef", resp.GetSend().GetId(), "one that is quick")
	_, err = wait(ctx, i, "panic")
	require.ErrorIs(t, err, status.Of(status.Internal))
	_, err = wait(ctx, i, "goexit")
	require.ErrorIs(t, err, status.Of(status.Internal))
	_, err = wait(ctx, i, "sleep 20ms")
	require.NoError(t, err)

	const callers = 10
	got := make(chan string, callers)
	var group errgroup.Group
	for range callers {
		group.Go(func() error {
			resp, err := wait(ctx, i, "gate")
			got <- resp.GetSend().GetId()
			return err
		})
	}
	want := map[string]bool{}
	for n := range callers {
		_, err := send(ctx, i, slow(sendMethod), fmt.Sprint("open ", n))
		require.NoError(t, err)
		want[strconv.Itoa(n)] = true
	}
	require.NoError(t, group.Wait())
	for range callers {
		id := <-got
		require.True(t, want[id], id)
		delete(want, id)
	}
}

// TestCallsThatGoOnEnd with their contexts. A guest that goes on working is stopped, and with
// it all calls.
func TestCallsThatGoOnEnd(t *testing.T) {
	t.Parallel()
	g := serverGuest(t)
	for _, what := range []string{"gate", "deaf", "yield", "spin"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			i, err := g.Instantiate(t.Context())
			require.NoError(t, err)
			other := make(chan error, 1)
			go func() {
				_, err := wait(t.Context(), i, "gate")
				other <- err
			}()
			_, err = send(t.Context(), i, slow(sendMethod), "open first")
			require.NoError(t, err)
			require.NoError(t, <-other)
			go func() {
				_, err := wait(t.Context(), i, "gate")
				other <- err
			}()

			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
			defer cancel()
			_, err = wait(ctx, i, what)
			require.ErrorIs(t, err, status.Of(status.DeadlineExceeded))
			if what == "spin" {
				require.ErrorIs(t, <-other, status.Of(status.Aborted))
				return
			}
			_, err = send(t.Context(), i, slow(sendMethod), "open it")
			require.NoError(t, err)
			if what == "deaf" { // took it
				_, err = send(t.Context(), i, slow(sendMethod), "open it")
				require.NoError(t, err)
			}
			require.NoError(t, <-other)
		})
	}
}

// TestCloseEndsCallsThatGoOn and those of a pool, whose instances are closed with them.
func TestCloseEndsCallsThatGoOn(t *testing.T) {
	t.Parallel()
	g := serverGuest(t)
	i, err := g.Instantiate(t.Context())
	require.NoError(t, err)
	var group sync.WaitGroup
	for range 5 {
		group.Go(func() {
			_, err := wait(t.Context(), i, "gate")
			require.ErrorIs(t, err, status.Of(status.Unavailable))
		})
	}
	_, err = send(t.Context(), i, slow(sendMethod), "sleep 20ms")
	require.NoError(t, err)
	require.NoError(t, i.Close(t.Context()))
	group.Wait()

	p, err := g.NewPool(t.Context(), 1, 1)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = wait(ctx, p, "gate")
	require.ErrorIs(t, err, status.Of(status.DeadlineExceeded))
	resp, err := send(t.Context(), p, &sendMethod, "count")
	require.NoError(t, err)
	require.EqualValues(t, 1, resp.Seq, "a new instance")
	require.NoError(t, p.Close(t.Context()))
}

// TestTooManyCallsGoOn: a call more than may go on is refused, and those that there are end.
func TestTooManyCallsGoOn(t *testing.T) {
	t.Parallel()
	i, err := serverGuest(t, eng.WithMaxPending(2)).Instantiate(t.Context())
	require.NoError(t, err)
	results := make(chan error, 3)
	for range 3 {
		go func() {
			_, err := wait(t.Context(), i, "gate")
			results <- err
		}()
	}
	require.ErrorIs(t, <-results, status.Of(status.ResourceExhausted))
	for n := range 2 {
		_, err := send(t.Context(), i, slow(sendMethod), fmt.Sprint("open ", n))
		require.NoError(t, err)
	}
	require.NoError(t, <-results)
	require.NoError(t, <-results)
}

// TestCancelledCallOfABusyInstance: who queues keeps nobody from telling the guest that a call is
// cancelled, so that the guest need not be stopped.
func TestCancelledCallOfABusyInstance(t *testing.T) {
	t.Parallel()
	i := newServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	waited := make(chan error, 1)
	go func() {
		_, err := wait(ctx, i, "gate")
		waited <- err
	}()
	for !i.GoesOn() {
		runtime.Gosched()
	}
	var group errgroup.Group
	for range 50 { // which takes longer than a guest may to let go of a call
		group.Go(func() error {
			_, err := send(t.Context(), i, slow(sendMethod), "sleep 10ms")
			return err
		})
	}
	for i.Queue() < 40 {
		runtime.Gosched()
	}
	cancel()
	require.ErrorIs(t, <-waited, status.Of(status.Cancelled))
	require.NoError(t, group.Wait())
	require.NoError(t, i.Close(t.Context()))
}
