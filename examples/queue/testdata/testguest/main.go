//go:build wasip1

// Command testguest sends and receives messages for the tests of the queue
// plugin. It prints a line for everything that it begins and that was acknowledged:
// its name, what happened, and the messages.
//
//	testguest NAME produce BATCHES              (-1: for ever)
//	testguest NAME consume FORGET CRASH_AFTER   (0: never)
//
// A consumer leaves one in FORGET messages as they are when it first gets them.
// After CRASH_AFTER messages it exits with 3, while it still has some to mark done.
package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	queuev1 "github.com/iansmith/parigot/examples/queue/gen/queue/v1"
	"github.com/iansmith/parigot/examples/queue/gen/queue/v1/queuev1parigot"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
	"github.com/iansmith/parigot/pluginsdk/status"
)

const (
	work     = "work"     // the queue
	finished = "finished" // a queue that is made when the last message was sent

	crashed = 3 // the exit code

	// largest is one more than the size of the largest payload, so that some
	// messages need several pages of the database.
	largest = 6000
	// large is what texts end in whose payloads have largeBytes more, so that the
	// queue keeps them outside of the database. One batch in largeBatch has one.
	large      = "L"
	largeBytes = 70_000
	largeBatch = 4
)

var (
	queues = queuev1parigot.NewQueueClient()
	ctx    = context.Background()
	name   = os.Args[1]
)

func main() {
	queueID := open(work)
	switch mode := os.Args[2]; mode {
	case "produce":
		produce(queueID, number(os.Args[3]))
		open(finished)
	case "consume":
		consume(queueID, number(os.Args[3]), number(os.Args[4]))
	default:
		check(fmt.Errorf("unknown mode %q", mode))
	}
}

// open returns the queue of a name, and makes it when there is none. Another guest
// may do the same.
func open(queue string) *parigotpb.Id {
	created, err := queues.CreateQueue(ctx, &queuev1.CreateQueueRequest{QueueName: queue})
	if err == nil {
		return created.GetId()
	}
	if !errors.Is(err, status.Of(queuev1.QueueErr_AlreadyExists)) {
		check(err)
	}
	located, err := queues.Locate(ctx, &queuev1.LocateRequest{QueueName: queue})
	check(err)
	return located.GetId()
}

func produce(queueID *parigotpb.Id, batches int) {
	for n := 0; n != batches; n++ {
		req, texts := &queuev1.SendRequest{Id: queueID}, []string(nil)
		for i := range 1 + n%5 {
			text := fmt.Sprintf("%s.%d.%d", name, n, i)
			if n%largeBatch == 0 && i == 0 {
				text += large
			}
			payload, err := anypb.New(wrapperspb.String(padded(text)))
			check(err)
			req.Msg = append(req.Msg, &queuev1.QueueMsg{Payload: payload})
			texts = append(texts, text)
		}
		say("sending", texts)
		_, err := queues.Send(ctx, req)
		check(err)
		say("sent", texts)
	}
}

// consume ends when the last message was sent and all are done.
func consume(queueID *parigotpb.Id, forget, crashAfter int) {
	for received := 0; ; {
		say("receiving", nil)
		resp, err := queues.Receive(ctx, &queuev1.ReceiveRequest{Id: queueID, Limit: 20})
		check(err)
		if len(resp.GetMsg()) == 0 {
			if isOver(queueID) {
				return
			}
			time.Sleep(5 * time.Millisecond)
			continue
		}
		var deliveries, texts []string
		done := &queuev1.MarkDoneRequest{Id: queueID}
		for _, m := range resp.GetMsg() {
			text := textOf(m)
			deliveries = append(deliveries, fmt.Sprintf("%s#%d", text, m.GetReceivedCount()))
			if m.GetReceivedCount() > 1 || forget == 0 || hash(text)%uint32(forget) != 0 {
				texts, done.MsgId = append(texts, text), append(done.MsgId, m.GetMsgId())
			}
		}
		say("received", deliveries)
		if received += len(deliveries); crashAfter > 0 && received >= crashAfter {
			os.Exit(crashed)
		}
		if len(texts) > 0 {
			say("finishing", texts)
			_, err = queues.MarkDone(ctx, done)
			check(err)
			say("done", texts)
		}
	}
}

func isOver(queueID *parigotpb.Id) bool {
	if _, err := queues.Locate(ctx, &queuev1.LocateRequest{QueueName: finished}); err != nil {
		if !errors.Is(err, status.Of(queuev1.QueueErr_NotFound)) {
			check(err)
		}
		return false
	}
	resp, err := queues.Length(ctx, &queuev1.LengthRequest{Id: queueID})
	check(err)
	return resp.GetLength() == 0
}

// padded returns the text of a payload with as much behind it as belongs to it.
func padded(text string) string {
	size := int(hash(text) % largest)
	if strings.HasSuffix(text, large) {
		size += largeBytes
	}
	return text + " " + strings.Repeat(text, size/len(text)+1)[:size]
}

// textOf is the inverse of padded.
func textOf(m *queuev1.QueueMsg) string {
	s := new(wrapperspb.StringValue)
	check(m.GetPayload().UnmarshalTo(s))
	text, _, _ := strings.Cut(s.GetValue(), " ")
	if s.GetValue() != padded(text) {
		check(fmt.Errorf("the payload of %q is damaged", text))
	}
	return text
}

func hash(s string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(s)) // never fails
	return h.Sum32()
}

// say prints a line in one write, so that those of several guests do not mix.
func say(event string, texts []string) {
	_, err := fmt.Println(strings.TrimSpace(name + " " + event + " " + strings.Join(texts, " ")))
	check(err)
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	check(err)
	return n
}

func check(err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "testguest %s: %v\n", name, err)
		os.Exit(1)
	}
}
