// Package load is what the queues are loaded with, the same from a native
// program and from a guest.
package load

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	queuev1 "github.com/iansmith/parigot/examples/queue/gen/queue/v1"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
)

// QueueName is the queue that is loaded.
const QueueName = "bench"

// Work is what one client does.
type Work struct {
	Cycle   bool          // send, receive and mark done; otherwise only send
	Batch   int           // messages in each call
	Payload int           // bytes in each message
	Time    time.Duration // for how long; it is done once even if that is 0
}

// Queue is a queue as one client sees it. Each of its methods is about the
// messages of one batch.
type Queue interface {
	Send(ctx context.Context) error
	// Receive takes the messages and has them done.
	Receive(ctx context.Context) error
}

// Run does the work on q, and returns how many messages that were.
func (w Work) Run(ctx context.Context, q Queue) (messages int, err error) {
	for start := time.Now(); ; {
		if err := q.Send(ctx); err != nil {
			return 0, err
		}
		if w.Cycle {
			if err := q.Receive(ctx); err != nil {
				return 0, err
			}
		}
		messages += w.Batch
		if time.Since(start) >= w.Time {
			return messages, nil
		}
	}
}

// Client is what is needed of a queuev1parigot.QueueClient.
type Client interface {
	Send(ctx context.Context, req *queuev1.SendRequest) (*queuev1.SendResponse, error)
	Receive(ctx context.Context, req *queuev1.ReceiveRequest) (*queuev1.ReceiveResponse, error)
	MarkDone(ctx context.Context, req *queuev1.MarkDoneRequest) (*queuev1.MarkDoneResponse, error)
}

// Through returns the queue of an id, loaded through a client. The payloads are
// encoded once.
func (w Work) Through(c Client, queue *parigotpb.Id) (Queue, error) {
	payload, err := anypb.New(wrapperspb.Bytes(make([]byte, w.Payload)))
	return &parigot{client: c, queue: queue, payload: payload, batch: w.Batch}, err
}

type parigot struct {
	client  Client
	queue   *parigotpb.Id
	payload *anypb.Any
	batch   int
}

func (p *parigot) Send(ctx context.Context) error {
	req := &queuev1.SendRequest{Id: p.queue}
	for range p.batch {
		req.Msg = append(req.Msg, &queuev1.QueueMsg{Payload: p.payload})
	}
	_, err := p.client.Send(ctx, req)
	return err
}

func (p *parigot) Receive(ctx context.Context) error {
	received, err := p.client.Receive(ctx, &queuev1.ReceiveRequest{Id: p.queue, Limit: uint32(p.batch)})
	if err != nil {
		return err
	}
	if n := len(received.GetMsg()); n != p.batch {
		return fmt.Errorf("%d messages came, want %d", n, p.batch)
	}
	req := &queuev1.MarkDoneRequest{Id: p.queue}
	for _, m := range received.GetMsg() {
		if n, want := len(m.GetPayload().GetValue()), len(p.payload.GetValue()); n != want {
			return fmt.Errorf("a payload has %d bytes, want %d", n, want)
		}
		req.MsgId = append(req.MsgId, m.GetMsgId())
	}
	done, err := p.client.MarkDone(ctx, req)
	if err == nil && len(done.GetUnmodified()) > 0 {
		err = fmt.Errorf("%d messages were not there to be done", len(done.GetUnmodified()))
	}
	return err
}
