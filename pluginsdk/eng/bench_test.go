package eng_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/pluginsdk/eng"
)

// BenchmarkGuestCall measures whole calls: a guest encodes a request, the host
// decodes it, echoes the payload, and the guest decodes the response. The start of
// the guest, some milliseconds, is spread over all calls.
func BenchmarkGuestCall(b *testing.B) {
	for _, kind := range []struct {
		name string
		opts []eng.GuestOption
	}{{"interruptible", nil}, {"trusted", []eng.GuestOption{eng.Trusted()}}} {
		for _, size := range []int{16, 1 << 10, 64 << 10} {
			b.Run(fmt.Sprintf("%s/%dB", kind.name, size), func(b *testing.B) {
				g := compile(b, newHost(b), kind.opts...)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				b.ResetTimer()
				code, err := g.Run(context.Background(), eng.WithArgs("bench", strconv.Itoa(b.N), strconv.Itoa(size)))
				require.NoError(b, err)
				require.Zero(b, code)
			})
		}
	}
}
