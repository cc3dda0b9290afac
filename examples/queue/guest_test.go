//go:build !wasip1

package queue

import (
	"bytes"
	"context"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/durationpb"

	queuev1 "github.com/iansmith/parigot/examples/queue/gen/queue/v1"
	"github.com/iansmith/parigot/examples/queue/gen/queue/v1/queuev1parigot"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/plugintest"
)

// runGuestProgram runs the guest of make demo, and returns its exit code and what
// it printed.
func runGuestProgram(t *testing.T, host *eng.Host, args ...string) (exitCode uint32, out string) {
	t.Helper()
	var text bytes.Buffer
	exitCode, err := plugintest.Guest(t, host, "guest").Run(t.Context(), eng.WithArgs(args...), eng.WithStdout(&text), eng.WithStderr(&text))
	require.NoError(t, err)
	return exitCode, text.String()
}

func TestGuestProgram(t *testing.T) {
	t.Parallel()
	file := t.TempDir() + "/queues.db"
	const made, found = `made     the queue "demo"`, `found    the queue "demo" of an earlier run, with 0 messages`
	for _, c := range []struct{ database, begin, again string }{
		{file, made, found},
		{file, found, found},
		{inMemory, made, found},
		{inMemory, made, found}, // of another engine
	} {
		host := plugintest.Host(t)
		require.NoError(t, start(t, host, &queuev1.QueueConfig{
			Database: c.database, VisibilityTimeout: durationpb.New(50 * time.Millisecond),
		}))
		for _, begin := range []string{c.begin, c.again} {
			code, out := runGuestProgram(t, host, "510")
			require.Zero(t, code, out)
			for _, line := range []string{
				begin,
				"done     102 of 510 after ",
				"done     510 of 510 after ",
				"received 5 of them again, as they were not marked done",
				"lost     none: all 510 are done, and the queue is empty",
			} {
				require.Contains(t, out, line)
			}
		}
		require.NoError(t, host.Close(t.Context()))
	}
}

// TestGuestProgramGoesOn: a guest finds what one that was stopped has left.
func TestGuestProgramGoesOn(t *testing.T) {
	t.Parallel()
	host := plugintest.Host(t)
	require.NoError(t, start(t, host, &queuev1.QueueConfig{
		Database: inMemory, VisibilityTimeout: durationpb.New(50 * time.Millisecond),
	}))
	guest := plugintest.Guest(t, host, "guest")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	code, err := guest.Run(ctx, eng.WithArgs("500"), eng.WithStdout(&stopAt{text: "100 of 500", stop: stop}))
	require.True(t, err != nil || code == 1, "it is stopped, or sees first that its call was cancelled")

	code, out := runGuestProgram(t, host, "500")
	require.Zero(t, code, out)
	left := regexp.MustCompile(`found    the queue "demo" of an earlier run, with ([1-9]\d*) messages`).FindStringSubmatch(out)
	require.Len(t, left, 2, out)
	require.Contains(t, out, "and      "+left[1]+" messages of an earlier run\n")
	require.Contains(t, out, "lost     none: all 500 are done, and the queue is empty\n")
}

// stopAt is a writer that stops its guest when it sees a text.
type stopAt struct {
	text string
	stop func()
}

func (w *stopAt) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(w.text)) {
		w.stop()
	}
	return len(p), nil
}

func TestGuestProgramRefusesOtherArguments(t *testing.T) {
	t.Parallel()
	host := plugintest.Host(t)
	require.NoError(t, start(t, host, &queuev1.QueueConfig{Database: inMemory}))
	for _, args := range [][]string{{"0"}, {"-1"}, {"many"}, {"1", "2"}} {
		code, out := runGuestProgram(t, host, args...)
		require.EqualValues(t, 1, code)
		require.Contains(t, out, "want how many messages to send", args)
	}
}

// brokenQueue does not keep what the queue promises. Its functions change
// what goes in and comes out; a nil one changes nothing.
type brokenQueue struct {
	queuev1parigot.QueueServer

	send    func(req *queuev1.SendRequest)
	receive func(resp *queuev1.ReceiveResponse)
	done    func(req *queuev1.MarkDoneRequest)
}

func (b *brokenQueue) Send(ctx context.Context, req *queuev1.SendRequest) (*queuev1.SendResponse, error) {
	if b.send != nil {
		b.send(req)
	}
	return b.QueueServer.Send(ctx, req)
}

func (b *brokenQueue) Receive(ctx context.Context, req *queuev1.ReceiveRequest) (*queuev1.ReceiveResponse, error) {
	resp, err := b.QueueServer.Receive(ctx, req)
	if err == nil && b.receive != nil {
		b.receive(resp)
	}
	return resp, err
}

func (b *brokenQueue) MarkDone(ctx context.Context, req *queuev1.MarkDoneRequest) (*queuev1.MarkDoneResponse, error) {
	if b.done != nil {
		b.done(req)
	}
	return b.QueueServer.MarkDone(ctx, req)
}

// TestGuestProgramChecksItsClaims has queues that break their promises: what the
// guest says of a good one must mean something.
func TestGuestProgramChecksItsClaims(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		queue brokenQueue
		want  string
	}{
		"a message is lost": {
			brokenQueue{send: func(req *queuev1.SendRequest) { req.Msg = req.Msg[:9] }},
			"message 9 is lost: received 0 times, done: false",
		},
		"a message comes twice": {
			brokenQueue{receive: func(resp *queuev1.ReceiveResponse) { resp.Msg = append(resp.Msg, resp.GetMsg()...) }},
			"message 0 says that it was received 1 times, it is 2",
		},
		"done is not done": {
			brokenQueue{done: func(req *queuev1.MarkDoneRequest) { req.MsgId = nil }},
			"message 0 came, and was marked done before",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, func(cfg *queuev1.QueueConfig) {
				cfg.VisibilityTimeout = durationpb.New(50 * time.Millisecond)
			})
			c.queue.QueueServer = &QueuePlugin{store: b.store}
			host := plugintest.Host(t)
			require.NoError(t, queuev1parigot.RegisterQueue(t.Context(), host, &c.queue))
			code, out := runGuestProgram(t, host, "10")
			require.EqualValues(t, 1, code, out)
			require.Contains(t, out, c.want)
		})
	}
}
