//go:build wasip1

package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	queuev1 "github.com/iansmith/parigot/examples/queue/gen/queue/v1"
)

const (
	// between is the time between two looks into an empty queue.
	between = 50 * time.Millisecond
	// patience is for how long messages may stay out of sight.
	patience = 2 * time.Minute
	// reports is how many lines tell of the progress.
	reports = 5
)

// consumer receives messages, works on them, and keeps account of them.
type consumer struct {
	queue   *queue
	sender  *anypb.Any      // of the messages of this run
	allSent <-chan struct{} // closed when no more are sent

	messages []account // by number
	done     int       // how many of them
	received int       // deliveries of them
	earlier  int       // messages of earlier runs
	start    time.Time
}

// account is what happened to a message.
type account struct {
	received uint32
	done     bool
}

func newConsumer(q *queue, sender *anypb.Any, total int, allSent <-chan struct{}) *consumer {
	return &consumer{
		queue: q, sender: sender, allSent: allSent,
		messages: make([]account, total), start: time.Now(),
	}
}

// run receives until all is sent and done.
func (c *consumer) run(ctx context.Context) error {
	last := time.Now() // when something came
	for {
		resp, err := call(ctx, c.queue.client.Receive, &queuev1.ReceiveRequest{Id: c.queue.id, Limit: batch})
		if err != nil {
			return fmt.Errorf("receive: %w", err)
		}
		if messages := resp.GetMsg(); len(messages) > 0 {
			if err := c.work(ctx, messages); err != nil {
				return err
			}
			last = time.Now()
			continue
		}
		left, err := c.left(ctx)
		if err != nil || left == 0 {
			return err
		}
		if time.Since(last) > patience {
			return fmt.Errorf("nothing came for %s, and %d messages are not done: is the host's visibility timeout longer?", patience, left)
		}
		if err := pause(ctx, between); err != nil {
			return err
		}
	}
}

// left says how many messages the consumer has to wait for, at least.
func (c *consumer) left(ctx context.Context) (int64, error) {
	select {
	case <-c.allSent:
		return c.queue.length(ctx)
	default:
		return 1, nil
	}
}

// work does the work that messages ask for, and marks them done together.
func (c *consumer) work(ctx context.Context, messages []*queuev1.QueueMsg) error {
	req := &queuev1.MarkDoneRequest{Id: c.queue.id}
	var numbers []int
	for _, m := range messages {
		if !proto.Equal(m.GetSender(), c.sender) {
			c.earlier++
			req.MsgId = append(req.MsgId, m.GetMsgId())
			continue
		}
		n, err := c.receive(m)
		if err != nil {
			return err
		}
		if n%forgets == forgets-1 && m.GetReceivedCount() == 1 {
			continue // a crash
		}
		req.MsgId, numbers = append(req.MsgId, m.GetMsgId()), append(numbers, n)
	}
	if err := c.markDone(ctx, req); err != nil {
		return err
	}
	for _, n := range numbers {
		c.messages[n].done = true
		c.done++
		c.report()
	}
	return nil
}

// receive enters a message into the account and returns its number. It fails on
// what cannot be while nobody else receives from the queue.
func (c *consumer) receive(m *queuev1.QueueMsg) (int, error) {
	number := new(wrapperspb.Int64Value)
	if err := m.GetPayload().UnmarshalTo(number); err != nil {
		return 0, fmt.Errorf("decode a message: %w", err)
	}
	n := int(number.GetValue())
	if n < 0 || n >= len(c.messages) {
		return 0, fmt.Errorf("message %d came, and was never sent", n)
	}
	a := &c.messages[n]
	a.received++
	c.received++
	if a.done {
		return 0, fmt.Errorf("message %d came, and was marked done before", n)
	}
	if m.GetReceivedCount() != a.received {
		return 0, fmt.Errorf("message %d says that it was received %d times, it is %d: does somebody else receive from the queue?",
			n, m.GetReceivedCount(), a.received)
	}
	return n, nil
}

func (c *consumer) markDone(ctx context.Context, req *queuev1.MarkDoneRequest) error {
	resp, err := call(ctx, c.queue.client.MarkDone, req)
	if err != nil {
		return fmt.Errorf("mark %d messages done: %w", len(req.GetMsgId()), err)
	}
	if n := len(resp.GetUnmodified()); n > 0 {
		return fmt.Errorf("%d messages were done already: does somebody else receive from the queue?", n)
	}
	return nil
}

// report prints a line now and then.
func (c *consumer) report() {
	total := len(c.messages)
	if step := max(1, total/reports); c.done%step == 0 || c.done == total {
		say("done     %*d of %d after %s", len(strconv.Itoa(total)), c.done, total, time.Since(c.start).Round(time.Millisecond))
	}
}

// check adds the account up.
func (c *consumer) check(ctx context.Context) error {
	if c.earlier > 0 {
		say("and      %d messages of an earlier run", c.earlier)
	}
	for n, a := range c.messages {
		if a.received == 0 || !a.done {
			return fmt.Errorf("message %d is lost: received %d times, done: %t", n, a.received, a.done)
		}
	}
	left, err := c.queue.length(ctx)
	if err != nil {
		return err
	}
	if left != 0 {
		return fmt.Errorf("all messages are done, and the queue says that it has %d", left)
	}
	say("received %d of them again, as they were not marked done", c.received-len(c.messages))
	say("lost     none: all %d are done, and the queue is empty", len(c.messages))
	return nil
}
