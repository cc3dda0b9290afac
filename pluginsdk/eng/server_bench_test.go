package eng_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/internal/guesttest"
	"github.com/iansmith/parigot/pluginsdk/eng"
	echov1 "github.com/iansmith/parigot/pluginsdk/testdata/gen/echo/v1"
)

var pingMethod = core.Method{Service: "echo.v1.Echo", Name: "Ping", FullName: "echo.v1.Echo.Ping"}

// BenchmarkHostCall measures whole calls of a guest by its host: the host encodes a request,
// the guest decodes it and echoes it, and the host decodes the response. BenchmarkGuestCall
// has the other direction, with the same messages: compare it with "default". "empty" is an
// export without parameters, through the engine.
func BenchmarkHostCall(b *testing.B) {
	for _, kind := range []struct {
		name string
		opts []eng.GuestOption
	}{{"trusted", []eng.GuestOption{eng.Trusted()}}, {"interruptible", nil}} {
		ctx := context.Background()
		h, err := eng.New(ctx, eng.WithCacheDir(guesttest.CacheDir(b)))
		require.NoError(b, err)
		g, err := h.Compile(ctx, "server", guesttest.Build(b, "testdata/server", "-buildmode=c-shared"), kind.opts...)
		require.NoError(b, err)
		i, err := g.Instantiate(ctx)
		require.NoError(b, err)
		p, err := g.NewPool(ctx, 1, 1)
		require.NoError(b, err)
		b.Run(kind.name+"/empty", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := i.Call(ctx, "empty"); err != nil {
					b.Fatal(err)
				}
			}
		})
		for _, size := range []int{16, 1 << 10, 64 << 10} {
			req := &echov1.SendRequest{Queue: "orders", Payload: []byte(strings.Repeat("x", size)), Seq: 42, Tags: []string{"red", "green", "blue"}}
			b.Run(fmt.Sprintf("%s/instance/%dB", kind.name, size), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := i.Invoke(ctx, &pingMethod, req, new(echov1.SendResponse)); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run(fmt.Sprintf("%s/pool/%dB", kind.name, size), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := p.Invoke(ctx, &pingMethod, req, new(echov1.SendResponse)); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		require.NoError(b, h.Close(ctx))
	}
}

// BenchmarkPool has many callers share a pool. A call that waits for long is the price of a
// pool that lets some overtake others: "worst-ms" is the longest call, "p99-µs" what 99 of 100
// calls take at most.
func BenchmarkPool(b *testing.B) {
	ctx := context.Background()
	h, err := eng.New(ctx, eng.WithCacheDir(guesttest.CacheDir(b)), eng.WithCallBudget(-1))
	require.NoError(b, err)
	defer func() { require.NoError(b, h.Close(ctx)) }()
	g, err := h.Compile(ctx, "server", guesttest.Build(b, "testdata/server", "-buildmode=c-shared"))
	require.NoError(b, err)
	p, err := g.NewPool(ctx, 4, 4)
	require.NoError(b, err)
	for _, callers := range []int{1, 8, 100} {
		b.Run(strconv.Itoa(callers), func(b *testing.B) {
			var left atomic.Int64
			left.Store(int64(b.N))
			took := make([][]time.Duration, callers)
			var group sync.WaitGroup
			for n := range callers {
				group.Go(func() {
					req := &echov1.SendRequest{Queue: "orders", Payload: make([]byte, 16)}
					for left.Add(-1) >= 0 {
						start := time.Now()
						if err := p.Invoke(ctx, &pingMethod, req, new(echov1.SendResponse)); err != nil {
							b.Error(err)
							return
						}
						took[n] = append(took[n], time.Since(start))
					}
				})
			}
			group.Wait()
			all := slices.Concat(took...)
			slices.Sort(all)
			b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), "p99-µs")
			b.ReportMetric(float64(all[len(all)-1].Microseconds())/1000, "worst-ms")
		})
	}
}
