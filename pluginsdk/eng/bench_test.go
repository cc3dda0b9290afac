package eng_test

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/internal/guesttest"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/plugintest"
	echov1 "github.com/iansmith/parigot/pluginsdk/testdata/gen/echo/v1"
	"github.com/iansmith/parigot/pluginsdk/testdata/gen/echo/v1/echov1parigot"
	plainv1 "github.com/iansmith/parigot/pluginsdk/testdata/gen/plain/v1"
	"github.com/iansmith/parigot/pluginsdk/testdata/gen/plain/v1/plainv1parigot"
)

// echoImpl implements echo.v1 and plainImpl plain.v1: what comes back is what was sent.
type (
	echoImpl struct {
		echov1parigot.UnimplementedEchoServer
	}
	plainImpl struct {
		plainv1parigot.UnimplementedPlainServer
	}
)

func (echoImpl) Send(_ context.Context, req *echov1.SendRequest) (*echov1.SendResponse, error) {
	resp := new(echov1.SendResponse)
	echo(req, resp)
	return resp, nil
}

// echoIntoImpl is echoImpl with the form that fills a response.
type echoIntoImpl struct {
	echoImpl
	echov1parigot.EchoIntoServer // of the other methods, which nobody calls
}

func (echoIntoImpl) SendInto(_ context.Context, req *echov1.SendRequest, resp *echov1.SendResponse) error {
	echo(req, resp)
	return nil
}

func echo(req *echov1.SendRequest, resp *echov1.SendResponse) {
	resp.Id, resp.Payload, resp.Seq, resp.Tags = "0123456789abcdef", req.Payload, req.Seq, req.Tags
}

func (plainImpl) Send(_ context.Context, req *plainv1.SendRequest) (*plainv1.SendResponse, error) {
	return &plainv1.SendResponse{Id: "0123456789abcdef", Payload: req.Payload, Seq: req.Seq, Tags: req.Tags}, nil
}

// newEcho returns a host with the two services, and the guest that calls them.
func newEcho(tb testing.TB, borrowed bool, opts ...eng.GuestOption) *eng.Guest {
	tb.Helper()
	ctx := context.Background()
	h := plugintest.Engine(tb)
	if borrowed {
		require.NoError(tb, echov1parigot.RegisterEcho(ctx, h, echoIntoImpl{}, pluginsdk.Borrowed(), pluginsdk.Into()))
	} else {
		require.NoError(tb, echov1parigot.RegisterEcho(ctx, h, echoImpl{}))
	}
	require.NoError(tb, plainv1parigot.RegisterPlain(ctx, h, plainImpl{}))
	g, err := h.Compile(ctx, "echo", guesttest.Build(tb, "testdata/echo"), opts...)
	require.NoError(tb, err)
	return g
}

// BenchmarkGuestCall measures whole calls: a guest encodes a request, the host decodes
// it and echoes it, and the guest decodes the response. "plain" has messages without
// vtprotobuf, "default" has them with it, and "borrowed" is what both sides may opt in
// for. The start of the guest, some milliseconds, is spread over all calls.
func BenchmarkGuestCall(b *testing.B) {
	for _, kind := range []struct {
		name string
		opts []eng.GuestOption
	}{{"trusted", []eng.GuestOption{eng.Trusted()}}, {"interruptible", nil}} {
		for _, call := range []string{"borrowed", "default", "plain"} {
			for _, size := range []int{16, 1 << 10, 64 << 10, 1 << 20} {
				b.Run(fmt.Sprintf("%s/%s/%dB", kind.name, call, size), func(b *testing.B) {
					g := newEcho(b, call == "borrowed", kind.opts...)
					var out bytes.Buffer
					b.SetBytes(int64(size))
					b.ReportAllocs()
					b.ResetTimer()
					code, err := g.Run(context.Background(), eng.WithArgs(call, strconv.Itoa(b.N), strconv.Itoa(size)), eng.WithStdout(&out))
					require.NoError(b, err)
					require.Zero(b, code, out.String())
					var allocs, memory float64
					_, err = fmt.Sscan(out.String(), &allocs, &memory)
					require.NoError(b, err)
					b.ReportMetric(allocs/float64(b.N), "guest-allocs/op")
					b.ReportMetric(memory/(1<<20), "guest-MiB")
				})
			}
		}
	}
}
