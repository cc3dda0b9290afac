package eng_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

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
