//go:build !wasip1

package queue

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	queuev1 "github.com/iansmith/parigot/examples/queue/gen/queue/v1"
	"github.com/iansmith/parigot/examples/queue/gen/queue/v1/queuev1parigot"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
	"github.com/iansmith/parigot/pluginsdk/status"
)

func TestNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"a": "", "Z": "", "a.b,c_d-9": "", "q" + strings.Repeat("0", 79): "",
		"":                              "is empty",
		"a" + strings.Repeat("b", 80):   "has 81 bytes, at most 80",
		"1a":                            "does not start with an ASCII letter",
		"_a":                            "does not start with an ASCII letter",
		"a b":                           "at byte 2",
		"abc\x00":                       "at byte 4",
		"a/b":                           "at byte 2",
		"aé":                            "at byte 2",
		"é":                             "does not start with an ASCII letter",
		"a\xff":                         "at byte 2",
		"Robert'); DROP TABLE messages": "at byte 7",
	} {
		err := checkName(name)
		if want == "" {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorIs(t, err, status.Of(queuev1.QueueErr_InvalidName), name)
		require.ErrorContains(t, err, want)
	}
}

func TestMessageArrivesAsItWasSent(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	q := b.createQueue("orders")
	before := time.Now().Truncate(time.Millisecond)
	sent, err := b.client.Send(t.Context(), &queuev1.SendRequest{Id: q, Msg: []*queuev1.QueueMsg{{
		Payload: textPayload(t, "three lamps"), Sender: textPayload(t, "shop"),
		// A sender cannot set what is the queue's.
		MsgId: &parigotpb.Id{High: 1}, ReceivedCount: 17, Received: nil,
	}, {
		// A type that this host does not know, and no fields.
		Payload: &anypb.Any{TypeUrl: "example.com/some.unknown.Type"},
	}}})
	require.NoError(t, err)

	got := b.mustReceive(q, 2)
	require.Len(t, got, 2)
	require.True(t, proto.Equal(sent.GetMsgId()[0], got[0].GetMsgId()))
	require.True(t, proto.Equal(q, got[0].GetQueueId()))
	require.True(t, proto.Equal(textPayload(t, "shop"), got[0].GetSender()))
	require.True(t, proto.Equal(textPayload(t, "three lamps"), got[0].GetPayload()))
	require.EqualValues(t, 1, got[0].GetReceivedCount())
	require.WithinRange(t, got[0].GetSent().AsTime(), before, time.Now())
	require.WithinRange(t, got[0].GetReceived().AsTime(), got[0].GetSent().AsTime(), time.Now())
	require.NotEqual(t, got[0].GetRowId().GetLow(), got[1].GetRowId().GetLow())
	require.Nil(t, got[1].GetSender())
	require.Equal(t, "example.com/some.unknown.Type", got[1].GetPayload().GetTypeUrl())
	require.Empty(t, got[1].GetPayload().GetValue())
}

// TestVisibilityTimeout checks the rule to the microsecond.
func TestVisibilityTimeout(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := setup(t, func(c *queuev1.QueueConfig) {
			c.Database, c.VisibilityTimeout = dir+"/queues.db", durationpb.New(2*time.Second)
		})
		q := b.createQueue("q")
		ids := b.mustSend(q, "crashed", "done")
		first := b.mustReceive(q, 2)
		require.Empty(t, b.markDone(q, ids[1]))
		time.Sleep(2*time.Second - time.Microsecond)
		require.Empty(t, b.mustReceive(q, 2))
		time.Sleep(time.Microsecond)
		again := b.mustReceive(q, 2)
		require.Len(t, again, 1)
		require.Equal(t, "crashed", textOf(t, again[0]))
		require.EqualValues(t, 2, again[0].GetReceivedCount())
		require.True(t, proto.Equal(first[0].GetReceived(), again[0].GetReceived()), "the first time stays")

		// Whoever comes back late may still say that it is done.
		require.Empty(t, b.markDone(q, ids[0]))
		time.Sleep(time.Hour)
		require.Empty(t, b.mustReceive(q, 2))
	})
}

func TestDeadLetters(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := setup(t, func(c *queuev1.QueueConfig) {
			c.Database, c.MaxReceives, c.DeadLetterQueue = dir+"/queues.db", 2, "dead"
		})
		q := b.createQueue("q")
		sent := b.mustSend(q, "poison")
		for range 2 {
			require.Equal(t, []string{"poison"}, b.receiveTexts(q))
			time.Sleep(defaultVisibility)
		}
		dead, err := b.locate("dead")
		require.NoError(t, err, "the plugin makes it")
		require.NoError(t, b.deleteQueue(dead))
		require.Empty(t, b.mustReceive(q, 1), "it has moved")
		require.Zero(t, b.length(q))
		require.Contains(t, b.log.String(), "messages moved to the dead-letter queue")

		dead, err = b.locate("dead")
		require.NoError(t, err, "the plugin makes it again when it is needed")
		for count := range 5 {
			got := b.mustReceive(dead, 1)
			require.Len(t, got, 1, "messages stay in the dead-letter queue")
			require.True(t, proto.Equal(sent[0], got[0].GetMsgId()))
			require.EqualValues(t, 3+count, got[0].GetReceivedCount())
			time.Sleep(defaultVisibility)
		}
	})
}

// TestManyDeadLetters: one Receive does not move so many that the others would have
// to wait, and delivers none that it did not move.
func TestManyDeadLetters(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := setup(t, func(c *queuev1.QueueConfig) {
			c.Database, c.MaxReceives, c.DeadLetterQueue = dir+"/queues.db", 1, "dead"
		})
		q := b.createQueue("q")
		const sent = 3*maxBuried + 100
		for range sent / 100 {
			b.mustSend(q, slices.Repeat([]string{"poison"}, 100)...)
			require.Len(t, b.mustReceive(q, 100), 100)
		}
		time.Sleep(defaultVisibility)
		b.mustSend(q, "good")
		require.Equal(t, []string{"good"}, b.receiveTexts(q), "poison holds nobody up")
		require.EqualValues(t, sent-maxBuried+1, b.length(q))
		dead, err := b.locate("dead")
		require.NoError(t, err)
		require.Len(t, b.mustReceive(dead, 100), 100)
		require.EqualValues(t, 2*maxBuried, b.length(dead), "one who reads them moves more")
		require.Empty(t, b.mustReceive(q, 100))
		require.Empty(t, b.mustReceive(q, 100))
		require.EqualValues(t, 1, b.length(q), "all have moved, and good is out of sight")
	})
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *queuev1.QueueConfig) { c.MaxPayloadBytes, c.MaxQueues = 1000, 2 })
	q := b.createQueue("q")
	deleted := b.createQueue("deleted")
	b.mustSend(deleted, "lost")
	require.NoError(t, b.deleteQueue(deleted))
	b.createQueue("second")

	good := &queuev1.QueueMsg{Payload: textPayload(t, "good")}
	with := func(payload, sender *anypb.Any) []*queuev1.QueueMsg {
		return []*queuev1.QueueMsg{good, {Payload: payload, Sender: sender}}
	}
	damaged := &anypb.Any{TypeUrl: "type.googleapis.com/google.protobuf.StringValue", Value: []byte{0xff}}
	noUTF8 := &anypb.Any{TypeUrl: "type.googleapis.com/google.protobuf.StringValue", Value: []byte{10, 1, 0xff}}
	unknown := &anypb.Any{TypeUrl: "example.com/some.Type", Value: []byte{0x0f}}
	noName := &anypb.Any{TypeUrl: "example.com/some type", Value: nil}
	untyped := &anypb.Any{Value: []byte{10, 1, 'a'}}
	large := textPayload(t, strings.Repeat("x", 1000))
	empty := &anypb.Any{}
	for _, c := range []struct {
		name string
		req  proto.Message
		want error
		text string
	}{
		{"create a name twice", &queuev1.CreateQueueRequest{QueueName: "q"}, status.Of(queuev1.QueueErr_AlreadyExists), `"q"`},
		{"create a bad name", &queuev1.CreateQueueRequest{QueueName: "9"}, status.Of(queuev1.QueueErr_InvalidName), "letter"},
		{"create too many", &queuev1.CreateQueueRequest{QueueName: "third"}, status.Of(status.ResourceExhausted), "2 queues"},
		{"locate nothing", &queuev1.LocateRequest{QueueName: "deleted"}, status.Of(queuev1.QueueErr_NotFound), `"deleted"`},
		{"locate a bad name", &queuev1.LocateRequest{QueueName: "a%"}, status.Of(queuev1.QueueErr_InvalidName), "byte 2"},
		{"delete twice", &queuev1.DeleteQueueRequest{Id: deleted}, status.Of(queuev1.QueueErr_NotFound), ""},
		{"delete no id", &queuev1.DeleteQueueRequest{}, status.Of(queuev1.QueueErr_NotFound), ""},
		{"send to a deleted queue", &queuev1.SendRequest{Id: deleted, Msg: []*queuev1.QueueMsg{good}}, status.Of(queuev1.QueueErr_NotFound), ""},
		{"send to no queue", &queuev1.SendRequest{Msg: []*queuev1.QueueMsg{good}}, status.Of(queuev1.QueueErr_NotFound), ""},
		{"send nothing", &queuev1.SendRequest{Id: q}, status.Of(queuev1.QueueErr_NoPayload), "no message"},
		{"no payload", &queuev1.SendRequest{Id: q, Msg: with(nil, nil)}, status.Of(queuev1.QueueErr_NoPayload), "msg[1].payload"},
		{"an empty payload", &queuev1.SendRequest{Id: q, Msg: with(empty, nil)}, status.Of(queuev1.QueueErr_NoPayload), "msg[1].payload"},
		{"a damaged payload", &queuev1.SendRequest{Id: q, Msg: with(damaged, nil)}, status.Of(queuev1.QueueErr_UnmarshalFailed), "msg[1].payload"},
		{"a payload that breaks its type", &queuev1.SendRequest{Id: q, Msg: with(noUTF8, nil)}, status.Of(queuev1.QueueErr_UnmarshalFailed), "msg[1].payload"},
		{"a damaged payload of a type nobody knows", &queuev1.SendRequest{Id: q, Msg: with(unknown, nil)}, status.Of(queuev1.QueueErr_UnmarshalFailed), "some.Type"},
		{"a payload without a type", &queuev1.SendRequest{Id: q, Msg: with(untyped, nil)}, status.Of(queuev1.QueueErr_UnmarshalFailed), "type URL"},
		{"a payload of an impossible type", &queuev1.SendRequest{Id: q, Msg: with(noName, nil)}, status.Of(queuev1.QueueErr_UnmarshalFailed), "type URL"},
		{"a damaged sender", &queuev1.SendRequest{Id: q, Msg: with(good.Payload, damaged)}, status.Of(queuev1.QueueErr_UnmarshalFailed), "msg[1].sender"},
		{"a large payload", &queuev1.SendRequest{Id: q, Msg: with(large, nil)}, status.Of(status.ResourceExhausted), "the host takes 1000"},
		{"a large sender", &queuev1.SendRequest{Id: q, Msg: with(good.Payload, large)}, status.Of(status.ResourceExhausted), "msg[1].sender"},
		{"too many messages", &queuev1.SendRequest{Id: q, Msg: slices.Repeat([]*queuev1.QueueMsg{good}, 1001)}, status.Of(status.InvalidArgument), "1001 messages"},
		{"receive 0", &queuev1.ReceiveRequest{Id: q}, status.Of(status.InvalidArgument), "limit is 0"},
		{"receive 101", &queuev1.ReceiveRequest{Id: q, Limit: 101}, status.Of(status.InvalidArgument), "limit is 101"},
		{"receive from a deleted queue", &queuev1.ReceiveRequest{Id: deleted, Limit: 1}, status.Of(queuev1.QueueErr_NotFound), ""},
		{"mark done in a deleted queue", &queuev1.MarkDoneRequest{Id: deleted}, status.Of(queuev1.QueueErr_NotFound), ""},
		{"mark too many", &queuev1.MarkDoneRequest{Id: q, MsgId: make([]*parigotpb.Id, 1001)}, status.Of(status.InvalidArgument), "1001 ids"},
		{"length of a deleted queue", &queuev1.LengthRequest{Id: deleted}, status.Of(queuev1.QueueErr_NotFound), ""},
	} {
		err := b.call(c.req)
		require.ErrorIs(t, err, c.want, c.name)
		require.ErrorContains(t, err, c.text, c.name)
		require.Zero(t, b.length(q), "%s: nothing is half done", c.name)
	}
	require.Len(t, b.store.allMessagesAndQueues(t), 2, "the queues, and no message")
}

// call makes the call that a request is for.
func (b *bundle) call(req proto.Message) (err error) {
	ctx := b.t.Context()
	switch req := req.(type) {
	case *queuev1.CreateQueueRequest:
		_, err = b.client.CreateQueue(ctx, req)
	case *queuev1.LocateRequest:
		_, err = b.client.Locate(ctx, req)
	case *queuev1.DeleteQueueRequest:
		_, err = b.client.DeleteQueue(ctx, req)
	case *queuev1.SendRequest:
		_, err = b.client.Send(ctx, req)
	case *queuev1.ReceiveRequest:
		_, err = b.client.Receive(ctx, req)
	case *queuev1.MarkDoneRequest:
		_, err = b.client.MarkDone(ctx, req)
	case *queuev1.LengthRequest:
		_, err = b.client.Length(ctx, req)
	default:
		err = fmt.Errorf("no call takes a %T", req)
	}
	return err
}

// allMessagesAndQueues looks behind the plugin's back.
func (st *store) allMessagesAndQueues(t *testing.T) (rows []int64) {
	t.Helper()
	found, err := st.conn.QueryContext(t.Context(), "SELECT row_id FROM parigot_test_message UNION ALL SELECT id FROM parigot_test_queue")
	require.NoError(t, err)
	defer func() { require.NoError(t, found.Close()) }()
	for found.Next() {
		var row int64
		require.NoError(t, found.Scan(&row))
		rows = append(rows, row)
	}
	require.NoError(t, found.Err())
	return rows
}

func TestReceiveStopsBeforeItIsTooMuch(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *queuev1.QueueConfig) { c.MaxPayloadBytes = largestMaxPayload })
	q := b.createQueue("q")
	payload, err := anypb.New(wrapperspb.Bytes(make([]byte, largestMaxPayload-100)))
	require.NoError(t, err)
	for range 3 {
		_, err := b.client.Send(t.Context(), &queuev1.SendRequest{Id: q, Msg: []*queuev1.QueueMsg{{Payload: payload}}})
		require.NoError(t, err)
	}
	first := b.mustReceive(q, 100)
	require.Len(t, first, 2, "32 MiB, which the bridge lets through")
	require.Len(t, b.mustReceive(q, 100), 1, "what did not fit was not taken out of sight")
}

func TestKeepDone(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *queuev1.QueueConfig) { c.KeepDone = durationpb.New(time.Hour) })
	q := b.createQueue("q")
	ids := b.mustSend(q, "a", "b")
	require.Empty(t, b.markDone(q, ids[0]))
	require.Len(t, b.markDone(q, ids[0]), 1, "done is done, kept or not")
	require.EqualValues(t, 1, b.length(q))
	require.Equal(t, []string{"b"}, b.receiveTexts(q))
	require.Len(t, b.store.allMessagesAndQueues(t), 3, "two messages and a queue")

	// A host that keeps nothing removes what another one kept.
	b.close()
	b.config.KeepDone = nil
	b.open()
	require.Len(t, b.store.allMessagesAndQueues(t), 2)
	require.EqualValues(t, 1, b.length(q))
}

func TestQueuesOutliveTheirHost(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	q := b.createQueue("q")
	b.mustSend(q, "a", "b", "c")
	require.Len(t, b.mustReceive(q, 1), 1)
	b.close()
	require.ErrorIs(t, b.call(&queuev1.LengthRequest{Id: q}), status.Of(status.Unavailable))
	b.open()
	located, err := b.locate("q")
	require.NoError(t, err)
	require.True(t, proto.Equal(q, located))
	require.EqualValues(t, 3, b.length(q))
	require.Equal(t, []string{"b", "c"}, b.receiveTexts(q), "a is out of sight still")
}

// TestClockThatGoesBack: a lease cannot outlast the timeout, whatever the clock
// of the host does between two starts.
func TestClockThatGoesBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := setup(t, func(c *queuev1.QueueConfig) { c.Database = dir + "/queues.db" })
		q := b.createQueue("q")
		b.mustSend(q, "a")
		b.store.epoch += time.Hour.Microseconds() // a clock that is fast
		require.Len(t, b.mustReceive(q, 1), 1)
		b.close()
		b.open()
		time.Sleep(defaultVisibility)
		require.Len(t, b.mustReceive(q, 1), 1)
	})
}

func TestZeroValue(t *testing.T) {
	t.Parallel()
	b := &bundle{t: t, client: queuev1parigot.NewLocalQueueClient(&QueuePlugin{})}
	for _, req := range []proto.Message{
		&queuev1.CreateQueueRequest{QueueName: "a"}, &queuev1.LocateRequest{QueueName: "a"}, &queuev1.DeleteQueueRequest{},
		&queuev1.SendRequest{}, &queuev1.ReceiveRequest{Limit: 1}, &queuev1.MarkDoneRequest{}, &queuev1.LengthRequest{},
	} {
		require.ErrorIs(t, b.call(req), status.Of(status.Unavailable))
	}
}
