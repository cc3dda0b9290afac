package serve

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/iansmith/parigot/internal/metadata"
	"github.com/iansmith/parigot/pluginsdk/status"
)

type impl struct{ err error }

func (i impl) do(_ context.Context, req *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
	switch req.Value {
	case "panic":
		panic("on purpose")
	case "nil":
		return nil, i.err
	}
	return wrapperspb.String(strings.ToUpper(req.Value)), i.err
}

// TestAdapt: the response is behind what is there already, whether there is room for it or not.
func TestAdapt(t *testing.T) {
	t.Parallel()
	m := Method{Handler: Adapt(impl{}, impl.do)}
	for _, room := range []int{3, 100} {
		for text, want := range map[string]string{"": "", "abc": "ABC", "nil": ""} {
			req, err := proto.Marshal(wrapperspb.String(text))
			require.NoError(t, err)
			out, err := m.Run(t.Context(), req, make([]byte, 3, room))
			require.NoError(t, err)
			require.Equal(t, []byte{0, 0, 0}, out[:3])
			resp := new(wrapperspb.StringValue)
			require.NoError(t, proto.Unmarshal(out[3:], resp))
			require.Equal(t, want, resp.Value)
		}
	}
	_, err := m.Run(t.Context(), []byte("\x0a\x09"), nil)
	require.ErrorIs(t, err, status.Of(status.InvalidArgument))
	panics, err := proto.Marshal(wrapperspb.String("panic"))
	require.NoError(t, err)
	_, err = m.Run(t.Context(), panics, nil)
	require.ErrorContains(t, err, "panic: on purpose")
	m.Handler = Adapt(impl{errors.New("no")}, impl.do)
	_, err = m.Run(t.Context(), nil, nil)
	require.EqualError(t, err, "no")
}

// TestCoded: what has a code crosses, and of the rest an incident.
func TestCoded(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	s := Coded(&log, "a.B.C", Caller{}, status.Error(status.NotFound, "not here"))
	require.EqualError(t, s, "NOT_FOUND: not here")
	require.Empty(t, log.String())
	s = Coded(&log, "a.B.C", Caller{Name: "guest"}, errors.New("a secret"))
	require.ErrorIs(t, s, status.Of(status.Internal))
	require.NotContains(t, s.Error(), "secret")
	require.Contains(t, log.String(), ": a.B.C, called by guest: a secret\n")
}

// TestCallContext: its deadline is the earliest, and whoever asks first for whatever sees it.
func TestCallContext(t *testing.T) {
	t.Parallel()
	asks := map[string]func(*Call) error{
		"Err": func(c *Call) error {
			for c.Err() == nil {
				runtime.Gosched()
			}
			return c.Err()
		},
		"Done": func(c *Call) error {
			<-c.Done()
			return c.Err()
		},
		"a child": func(c *Call) error {
			ctx, cancel := context.WithCancel(c)
			defer cancel()
			<-ctx.Done()
			return ctx.Err()
		},
	}
	starts := map[string]func(*Call, context.Context, time.Duration, time.Duration){
		"at once": func(c *Call, ctx context.Context, limit, budget time.Duration) {
			c.Start(ctx, nil, nil, limit, budget)
		},
		"lazily": func(c *Call, ctx context.Context, limit, budget time.Duration) {
			began := time.Now()
			c.StartLazily(ctx, nil, nil, limit, budget, func() time.Duration { return time.Since(began) })
		},
	}
	for how, start := range starts {
		for what, ask := range asks {
			t.Run(how+" "+what, func(t *testing.T) {
				t.Parallel()
				const limit = 20 * time.Millisecond
				c, began := new(Call), time.Now()
				start(c, t.Context(), limit, time.Minute)
				require.ErrorIs(t, ask(c), context.DeadlineExceeded)
				require.GreaterOrEqual(t, time.Since(began), limit)
				end, ok := c.Deadline()
				require.True(t, ok)
				require.WithinDuration(t, began.Add(limit), end, limit)

				c = new(Call)
				start(c, t.Context(), 0, 0)
				_, ok = c.Deadline()
				require.False(t, ok)
				require.NoError(t, c.Err())
				c.Cancel()
				require.ErrorIs(t, ask(c), context.Canceled)
			})
		}
	}
}

// TestCallKnows who calls, and what was sent.
func TestCallKnows(t *testing.T) {
	t.Parallel()
	parent := metadata.With(t.Context(), "k", "of who serves")
	var host, guest Call
	host.Start(parent, nil, nil, 0, 0)
	guest.Start(parent, &Caller{Name: "guest"}, map[string]string{"k": "v"}, 0, 0)
	require.Equal(t, Caller{}, CallerOf(&host))
	require.Equal(t, Caller{}, CallerOf(parent))
	require.Nil(t, metadata.Of(&host))
	ctx, cancel := context.WithCancel(&guest)
	defer cancel()
	require.Equal(t, "guest", CallerOf(ctx).String())
	require.Equal(t, "the host", CallerOf(&host).String())
	require.Equal(t, map[string]string{"k": "v"}, metadata.Of(ctx))
}
