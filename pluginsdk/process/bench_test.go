package process

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/iansmith/parigot/internal/instance"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
)

// BenchmarkCall measures the host's side of a call to a plugin in a process, and to the
// same plugin in this one beside it.
func BenchmarkCall(b *testing.B) {
	there := start(b, "")
	here := newHost(b)
	require.NoError(b, pluginsdk.Start(context.Background(), here.engine, testPlugin{}))
	here.byName = map[string]eng.Function{}
	for _, f := range here.engine.functions {
		here.byName[f.Name] = f.Function
	}
	for _, size := range []int{16, 64 << 10} {
		b.Run(fmt.Sprintf("%dB/process", size), func(b *testing.B) { benchCall(b, there, size) })
		b.Run(fmt.Sprintf("%dB/in-process", size), func(b *testing.B) { benchCall(b, here, size) })
	}
	b.Run("16B/process/8 at a time", func(b *testing.B) {
		b.SetParallelism(4)
		b.RunParallel(func(pb *testing.PB) {
			call := echo(b, there, 16)
			for pb.Next() {
				call()
			}
		})
	})
}

func benchCall(b *testing.B, h *host, size int) {
	call := echo(b, h, size)
	b.ReportAllocs()
	for b.Loop() {
		call()
	}
}

// echo returns a call with size bytes there and back.
func echo(b *testing.B, h *host, size int) (call func()) {
	g := h.guest("app")
	req, err := proto.Marshal(wrapperspb.String("echo " + strings.Repeat("x", size)))
	require.NoError(b, err)
	g.mem.Write(0, req)
	ctx := instance.NewContext(context.Background(), g.state)
	m := &guestModule{memory: g.mem}
	f := g.byName["Do"].Call
	stack := make([]uint64, 4)
	return func() {
		stack[0], stack[1], stack[2], stack[3] = 0, uint64(len(req)), respAt, 128<<10
		f(ctx, m, stack)
		if stack[0]>>32 != 0 {
			b.Error("the call failed")
		}
	}
}
