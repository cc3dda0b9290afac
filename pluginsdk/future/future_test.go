package future

import (
	"context"
	"errors"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/pluginsdk/status"
)

func TestBase(t *testing.T) {
	t.Parallel()
	b := NewBase[int]()
	var got []int
	b.Handle(func(v int) { got = append(got, v) })
	b.Handle(func(v int) { got = append(got, v+1) })
	b.OnCancel(func() { got = append(got, -1) })
	_, ok := b.Value()
	require.False(t, ok)
	require.False(t, b.Completed())
	done := b.Done()
	require.True(t, b.Set(7))
	<-done
	require.Equal(t, []int{7, 8}, got, "in the order they were added")
	b.Handle(func(v int) { got = append(got, v+2) })
	require.Equal(t, []int{7, 8, 9}, got, "at once")
	require.False(t, b.Set(8))
	b.Cancel()
	v, err := b.Wait(t.Context())
	require.NoError(t, err)
	require.Equal(t, 7, v)
	require.True(t, b.Completed())
	require.False(t, b.Cancelled())
	require.Len(t, got, 3)
}

func TestCancelledBase(t *testing.T) {
	t.Parallel()
	var b Base[int]
	cancels := 0
	b.Handle(func(int) { require.Fail(t, "it was cancelled") })
	b.OnCancel(func() { cancels++ })
	b.Cancel()
	b.Cancel()
	require.False(t, b.Set(1))
	b.OnCancel(func() { cancels++ })
	b.Handle(func(int) { require.Fail(t, "it was cancelled") })
	require.Equal(t, 2, cancels)
	require.True(t, b.Cancelled())
	<-b.Done()
	_, err := b.Wait(t.Context())
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, status.Of(status.Cancelled))
}

func TestWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	m := new(Method[int, error])
	require.ErrorIs(t, m.Wait(ctx), status.Of(status.Cancelled))
	require.True(t, m.Resolve(3), "the call went on")
	v, err := Await(ctx, m)
	require.NoError(t, err)
	require.Equal(t, 3, v)
}

func TestMap(t *testing.T) {
	t.Parallel()
	b := NewBase[int]()
	text := Map(b, strconv.Itoa)
	b.Set(5)
	v, err := text.Wait(t.Context())
	require.NoError(t, err)
	require.Equal(t, "5", v)
	b = NewBase[int]()
	Map(b, strconv.Itoa).Cancel()
	require.True(t, b.Cancelled())
	b = NewBase[int]()
	text = Map(b, strconv.Itoa)
	b.Cancel()
	require.True(t, text.Cancelled())
}

func TestMethod(t *testing.T) {
	t.Parallel()
	var got []string
	success := func(v int) { got = append(got, "success "+strconv.Itoa(v)) }
	failure := func(e string) { got = append(got, "failure "+e) }

	m := NewMethod(success, failure)
	require.True(t, m.Resolve(1))
	require.False(t, m.Reject("no"))
	m.Success(success)
	m.Failure(failure)
	v, ok := m.Succeeded()
	require.True(t, ok)
	require.Equal(t, 1, v)
	_, ok = m.Failed()
	require.False(t, ok)

	m = NewMethod[int](nil, failure)
	require.True(t, m.Reject("bad"))
	require.False(t, m.Resolve(1))
	m.Success(success)
	m.Failure(failure)
	require.NoError(t, m.Wait(t.Context()), "it has failed, and that is an outcome")
	e, ok := m.Failed()
	require.True(t, ok)
	require.Equal(t, "bad", e)
	_, ok = m.Succeeded()
	require.False(t, ok)
	require.Equal(t, []string{"success 1", "success 1", "failure bad", "failure bad"}, got)

	m = NewMethod[int, string](success, nil)
	m.OnCancel(func() { got = append(got, "cancel") })
	m.Cancel()
	require.Equal(t, "cancel", got[4])
	require.True(t, m.Cancelled())
	require.False(t, m.Completed())
}

func TestThen(t *testing.T) {
	t.Parallel()
	type future = Method[int, error]
	bad := errors.New("bad")
	tests := []struct {
		name string
		do   func(first, second *future)
		want string
	}{
		{"both succeed", func(first, second *future) { first.Resolve(1); second.Resolve(2) }, "2"},
		{"the second was there before", func(first, second *future) { second.Resolve(2); first.Resolve(1) }, "2"},
		{"the first fails", func(first, _ *future) { first.Reject(bad) }, "bad"},
		{"the second fails", func(first, second *future) { first.Resolve(1); second.Reject(bad) }, "bad"},
		{"the first is cancelled", func(first, _ *future) { first.Cancel() }, "cancelled"},
		{"the second is cancelled", func(first, second *future) { first.Resolve(1); second.Cancel() }, "cancelled"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			first, second := new(future), new(future)
			whole := Then(first, func(v int) *future {
				require.Equal(t, 1, v)
				return second
			})
			tt.do(first, second)
			v, err := Await(t.Context(), whole)
			switch tt.want {
			case "bad":
				require.ErrorIs(t, err, bad)
			case "cancelled":
				require.ErrorIs(t, err, context.Canceled)
				require.True(t, whole.Cancelled())
			default:
				require.NoError(t, err)
				require.Equal(t, tt.want, strconv.Itoa(v))
			}
		})
	}
	// Cancelling the whole cancels whichever call is under way.
	first, second := new(future), new(future)
	whole := Then(first, func(int) *future { return second })
	whole.Cancel()
	require.True(t, first.Cancelled())
	first = new(future)
	whole = Then(first, func(int) *future { return second })
	first.Resolve(1)
	whole.Cancel()
	require.True(t, second.Cancelled())
	require.True(t, first.Completed())
}

func TestGo(t *testing.T) {
	t.Parallel()
	got, err := Await(t.Context(), Go(t.Context(), func(_ context.Context, s string) (int, error) { return strconv.Atoi(s) }, "12"))
	require.NoError(t, err)
	require.Equal(t, 12, got)
	_, err = Await(t.Context(), Go(t.Context(), func(_ context.Context, s string) (int, error) { return strconv.Atoi(s) }, "x"))
	require.ErrorIs(t, err, strconv.ErrSyntax)
	_, err = Await(t.Context(), Go(t.Context(), func(context.Context, int) (int, error) { runtime.Goexit(); return 0, nil }, 1))
	require.ErrorIs(t, err, status.Of(status.Internal))

	ended := make(chan error)
	m := Go(t.Context(), func(ctx context.Context, _ int) (int, error) {
		<-ctx.Done()
		ended <- ctx.Err()
		return 0, ctx.Err()
	}, 1)
	m.Cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	require.True(t, m.Cancelled())
}

// TestManyAtOnce: each handler runs once, whoever is first.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	for range 200 {
		m := new(Method[int, error])
		var ran, won atomic.Int32
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				if m.Resolve(i) {
					won.Add(1)
				}
			})
			wg.Go(func() {
				m.Success(func(int) { ran.Add(1) })
				<-m.Done()
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, won.Load())
		require.EqualValues(t, 4, ran.Load())
	}
}
