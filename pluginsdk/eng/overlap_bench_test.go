package eng_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/internal/guesttest"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/plugintest"
)

// BenchmarkOverlappingCall measures calls of a method that may block, one after the
// other: those that are done at once, and those that the guest gets to wait for.
func BenchmarkOverlappingCall(b *testing.B) {
	for _, kind := range []string{"ok", "yield 10", "cpu 5us", "cpu 15us", "cpu 50us", "sleep 1us"} {
		for _, trust := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/trusted=%v", strings.ReplaceAll(kind, " ", "_"), trust), func(b *testing.B) {
				h := plugintest.Engine(b)
				newOverlapImpl().register(b, h)
				var opts []eng.GuestOption
				if trust {
					opts = append(opts, eng.Trusted())
				}
				g, err := h.Compile(b.Context(), "tester", guesttest.Build(b, "testdata/overlap"), opts...)
				require.NoError(b, err)
				b.ReportAllocs()
				b.ResetTimer()
				code, err := g.Run(context.Background(), eng.WithArgs("bench", strconv.Itoa(b.N), kind))
				require.NoError(b, err)
				require.Zero(b, code)
			})
		}
	}
}
