//go:build wasip1

// Command guest is a guest of the queue service: a producer and a consumer in one
// program. The producer sends 10,000 messages, or as many as the argument says.
// The consumer works on them, and on one in a hundred it "crashes": it forgets the
// message, so that the queue has to deliver it again. In the end all are done. It
// exits with 1 when the queue did not keep what it promises.
//
// Nobody else may receive from its queue meanwhile. What an earlier run left in
// there is done first.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	queuev1 "github.com/iansmith/parigot/examples/queue/gen/queue/v1"
	"github.com/iansmith/parigot/examples/queue/gen/queue/v1/queuev1parigot"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
	"github.com/iansmith/parigot/pluginsdk/status"
)

const (
	queueName = "demo"
	// batch is how many messages one call moves: a hundred cost little more
	// than one.
	batch = 100
	// forgets says which messages the consumer crashes on: one in so many.
	forgets = 100

	defaultTotal = 10_000
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "guest: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	total, err := parse(args)
	if err != nil {
		return err
	}
	q := &queue{client: queuev1parigot.NewQueueClient()}
	if err := q.open(ctx); err != nil {
		return err
	}
	// Who sends, so that messages of an earlier run are known as such.
	sender, err := anypb.New(wrapperspb.String(rand.Text()))
	if err != nil {
		return err
	}
	say("sending  %d messages in batches of %d; one in %d will be forgotten once", total, batch, forgets)
	allSent := make(chan struct{})
	c := newConsumer(q, sender, total, allSent)
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(allSent)
		return produce(groupCtx, q, sender, total)
	})
	group.Go(func() error { return c.run(groupCtx) })
	if err := group.Wait(); err != nil {
		return err
	}
	return c.check(ctx)
}

// parse returns how many messages to send.
func parse(args []string) (int, error) {
	if len(args) == 0 {
		return defaultTotal, nil
	}
	total, err := strconv.Atoi(args[0])
	if err != nil || total < 1 || len(args) > 1 {
		return 0, fmt.Errorf("the arguments are %q: want how many messages to send, or nothing for %d", args, defaultTotal)
	}
	return total, nil
}

// queue is a queue that was opened.
type queue struct {
	client queuev1parigot.QueueClient
	id     *parigotpb.Id
}

// open makes the queue, or finds the one of an earlier run. In this order nothing
// can come between the two calls but somebody who deletes it.
func (q *queue) open(ctx context.Context) error {
	made, err := call(ctx, q.client.CreateQueue, &queuev1.CreateQueueRequest{QueueName: queueName})
	if err == nil {
		q.id = made.GetId()
		say("made     the queue %q", queueName)
		return nil
	}
	if !errors.Is(err, status.Of(queuev1.QueueErr_AlreadyExists)) {
		return fmt.Errorf("make the queue %q: %w", queueName, err)
	}
	found, err := call(ctx, q.client.Locate, &queuev1.LocateRequest{QueueName: queueName})
	if err != nil {
		return fmt.Errorf("find the queue %q: %w", queueName, err)
	}
	q.id = found.GetId()
	left, err := q.length(ctx)
	if err != nil {
		return err
	}
	say("found    the queue %q of an earlier run, with %d messages", queueName, left)
	return nil
}

func (q *queue) length(ctx context.Context) (int64, error) {
	resp, err := call(ctx, q.client.Length, &queuev1.LengthRequest{Id: q.id})
	if err != nil {
		return 0, fmt.Errorf("ask for the length of the queue: %w", err)
	}
	return resp.GetLength(), nil
}

// produce sends the numbers from 0 on, each in a message.
func produce(ctx context.Context, q *queue, sender *anypb.Any, total int) error {
	for first := 0; first < total; first += batch {
		req := &queuev1.SendRequest{Id: q.id}
		for n := first; n < min(first+batch, total); n++ {
			payload, err := anypb.New(wrapperspb.Int64(int64(n)))
			if err != nil {
				return fmt.Errorf("encode message %d: %w", n, err)
			}
			req.Msg = append(req.Msg, &queuev1.QueueMsg{Sender: sender, Payload: payload})
		}
		if _, err := call(ctx, q.client.Send, req); err != nil {
			return fmt.Errorf("send %d messages from %d on: %w", len(req.GetMsg()), first, err)
		}
	}
	return nil
}

// How often a call is made, and after what time again.
const (
	attempts = 5
	again    = time.Second
)

// call makes a call, and makes it again when the host is UNAVAILABLE, because
// another program keeps the database busy. That sends nothing twice: the queue
// promises that such a call has done nothing.
func call[Req, Resp any](ctx context.Context, method func(context.Context, Req) (Resp, error), req Req) (resp Resp, err error) {
	for attempt := 1; ; attempt++ {
		resp, err = method(ctx, req)
		// A guest has one thread, and a call does not let go of it.
		runtime.Gosched()
		if attempt == attempts || !errors.Is(err, status.Of(status.Unavailable)) {
			return resp, err
		}
		if err := pause(ctx, again); err != nil {
			return resp, err
		}
	}
}

// pause waits, and lets the rest of the guest run.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func say(format string, args ...any) {
	fmt.Printf("  "+format+"\n", args...)
}
