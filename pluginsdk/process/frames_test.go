package process

import (
	"context"
	"log/slog"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/frame"
	"github.com/iansmith/parigot/internal/guard"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/id"
	"github.com/iansmith/parigot/pluginsdk/parigotpb/processpb"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// TestEmptyDescription: a program that describes itself with nothing is an error.
func TestEmptyDescription(t *testing.T) {
	t.Parallel()
	_, err := Describe(t.Context(), self(t), WithName("evil"), WithEnv("TEST_MISBEHAVE=emptydescription"))
	require.ErrorIs(t, err, status.Of(status.FailedPrecondition))
	require.ErrorContains(t, err, "describe plugin evil: ")
	require.ErrorContains(t, err, "the plugin did not send its proto files")
}

// FuzzHostEnd gives the host's end of the connections arbitrary bytes, behind frames that
// are right, as far as how says: none, a hello, or a whole start. The host has an error or
// goes on, and all that it has started ends with the connections.
func FuzzHostEnd(f *testing.F) {
	greeting := frame.Greeting{Version: frame.Version, MaxRequest: 1 << 20, MaxResponse: 1 << 20, Name: "fuzz"}
	hello := frame.Append(nil, frame.Hello, greeting.Append(nil))
	payload, err := encodeReady([]function{{"test.v1.Test", functionOf(service(new(state)))}}, true)
	require.NoError(f, err)
	ready := frame.Append(nil, frame.Ready, payload)
	record, err := proto.Marshal(&processpb.ProcessLog{Message: "text", Attrs: []*processpb.ProcessLogAttr{{Key: "k"}}})
	require.NoError(f, err)
	result := make([]byte, frame.ResultSize)
	frame.ResultHead{Seq: 1}.Put(result)
	answer := frame.Append(nil, frame.Result, result)
	f.Add(uint8(0), hello, answer)
	f.Add(uint8(1), frame.Append(nil, frame.Ready, nil), answer)
	f.Add(uint8(1), frame.Append(nil, frame.Failed, encodeStatus(status.Error(status.Internal, "text"))), answer)
	f.Add(uint8(2), frame.Append(frame.Append(nil, frame.Log, record), frame.Stopped, nil), answer)
	f.Add(uint8(2), []byte{}, append(answer, "\x0a\x01x"...))
	f.Fuzz(func(t *testing.T, how uint8, control, connection []byte) {
		before := runtime.NumGoroutine()
		if how%3 > 0 {
			right := hello
			if how%3 > 1 {
				right = append(right[:len(right):len(right)], ready...)
			}
			control = append(right[:len(right):len(right)], control...)
		}
		p := newPeerless(t)
		go p.peer(control, connection)
		frames := frame.NewReader(p.control, frame.MaxControl)
		err := p.handshake(frames, new(processpb.ProcessStart))
		if err == nil {
			v := &supervisor{settings: p.settings, log: p.log}
			_, err = v.modules(p.ready)
		}
		if err == nil {
			go p.writeOrders()
			go p.listen(frames)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			for range 2 {
				_, _ = p.call(ctx, 0, []byte("request"), anyRoom)
			}
			_ = p.announce(ctx, eng.Caller{ID: id.New[id.HostKind](), Name: "guest"})
			cancel()
			_ = p.handing.Close()
			<-p.heard
		}
		p.kill(errEnded)
		close(p.gone)
		for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
			require.True(t, time.Now().Before(end), "goroutines are left")
		}
	})
}

// peerless is a process that is none, and the ends that it would have.
type peerless struct {
	*proc
	theirControl, theirHanding *net.UnixConn
}

// peer is the other side: it says what it has to say, without listening.
func (p peerless) peer(control, connection []byte) {
	_, _ = p.theirControl.Write(control)
	_ = p.theirControl.CloseWrite()
	for {
		c, err := receiveConnection(p.theirHanding)
		if err != nil {
			break
		}
		_, _ = c.Write(connection)
		_ = c.Close()
	}
	_ = p.theirHanding.Close()
	_ = p.theirControl.Close()
}

func newPeerless(t *testing.T) peerless {
	p := peerless{proc: &proc{
		settings: newSettings("fuzz", []Option{WithStartTimeout(5 * time.Second), WithCallGrace(5 * time.Second)}),
		log:      slog.New(slog.DiscardHandler), child: new(guard.Process), started: time.Now(),
		orders: make(chan []byte, maxOrders), stopped: make(chan error, 1),
		gone: make(chan struct{}), heard: make(chan struct{}),
		all: map[*link]struct{}{}, guests: map[id.HostId]*announcement{},
	}}
	pair := func(name string) (mine, theirs *net.UnixConn) {
		mine, file, err := socketPair(name)
		require.NoError(t, err)
		theirs, err = newConn(file)
		require.NoError(t, err)
		return mine, theirs
	}
	p.control, p.theirControl = pair("control")
	p.handing, p.theirHanding = pair("connections")
	return p
}
