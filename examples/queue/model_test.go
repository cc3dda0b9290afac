//go:build !wasip1

package queue

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/durationpb"
	"pgregory.net/rapid"

	queuev1 "github.com/iansmith/parigot/examples/queue/gen/queue/v1"
	"github.com/iansmith/parigot/examples/queue/gen/queue/v1/queuev1parigot"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
	"github.com/iansmith/parigot/pluginsdk/plugintest"
	"github.com/iansmith/parigot/pluginsdk/status"
)

const modelVisibility = time.Minute

// modelMessage is what the model knows of a message.
type modelMessage struct {
	id        queuev1parigot.QueueMsgId
	text      string
	order     int       // in which messages were sent
	visibleAt time.Time // zero: never received
	received  uint32
}

func (m *modelMessage) ready() bool { return !m.visibleAt.After(time.Now()) }

// modelQueue holds the messages that are not done.
type modelQueue struct {
	id       *parigotpb.Id
	messages []*modelMessage
}

// model is the queue service as a user would describe it: lists in memory. The
// machine drives it and the plugin with the same calls.
type model struct {
	t           *rapid.T
	b           *bundle
	stores      [2]*store // two hosts of one database
	maxReceives uint32
	queues      map[string]*modelQueue
	gone        []*parigotpb.Id             // queues that were deleted
	finished    []queuev1parigot.QueueMsgId // messages that are done
	order       int
}

const (
	deadLetters = "dead.letters"
	maxModel    = 4 // queues
)

// TestModel checks that any history of calls, of time that passes and of hosts
// that start again has the results that the model has. All calls go through the
// bridges of two hosts of one database.
func TestModel(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		runs := 0
		// Without a method Deadline, which may not be called in here.
		rapid.Check(struct{ rapid.TB }{t}, func(rt *rapid.T) {
			runs++
			m := newModel(t, rt, fmt.Sprintf("%s/%d.db", dir, runs))
			defer func() { _ = m.close() }()
			rt.Repeat(map[string]func(*rapid.T){
				"CreateQueue": m.createQueue, "Locate": m.locate, "DeleteQueue": m.deleteQueue,
				"Send": m.send, "SendBad": m.sendBad, "Receive": m.receive, "MarkDone": m.markDone,
				"Wait": m.wait, "Restart": m.restart, "OtherHost": m.otherHost, "WaitAndReceive": func(t *rapid.T) { m.wait(t); m.receive(t) },
				"": m.check,
			})
		})
	})
}

func newModel(t *testing.T, rt *rapid.T, database string) *model {
	m := &model{t: rt, queues: map[string]*modelQueue{}}
	m.b = &bundle{t: t, log: new(plugintest.Output), config: &queuev1.QueueConfig{
		Database: database, VisibilityTimeout: durationpb.New(modelVisibility), MaxQueues: maxModel,
	}}
	if rapid.Bool().Draw(rt, "dead letters") {
		m.maxReceives = uint32(rapid.IntRange(1, 2).Draw(rt, "max receives"))
		m.b.config.MaxReceives, m.b.config.DeadLetterQueue = m.maxReceives, deadLetters
	}
	m.open()
	if m.maxReceives > 0 {
		m.queues[deadLetters] = &modelQueue{id: m.mustLocate(deadLetters)}
	}
	// Most histories are about messages, and few about queues.
	m.queues["a"] = &modelQueue{id: m.b.createQueue("a")}
	return m
}

// open is bundle.open for both hosts without its cleanup, which would keep every
// database of a check to the end.
func (m *model) open() {
	s, err := newSettings(m.b.config)
	require.NoError(m.t, err)
	// So that a few messages fill a segment, and only some are large.
	s.minOutside, s.segmentBytes = 2*minLarge, 4*pageSize
	for i := range m.stores {
		m.stores[i], err = openStore(m.b.t.Context(), s, slog.New(slog.DiscardHandler))
		require.NoError(m.t, err)
	}
	m.use(0)
}

// use has host i do what comes next.
func (m *model) use(i int) {
	m.b.store = m.stores[i]
	m.b.client = queuev1parigot.NewLocalQueueClient(&QueuePlugin{store: m.b.store})
}

func (m *model) otherHost(t *rapid.T) {
	m.use(rapid.IntRange(0, len(m.stores)-1).Draw(t, "host"))
}

func (m *model) close() (err error) {
	for _, st := range m.stores {
		err = errors.Join(err, st.close(m.b.t.Context()))
	}
	return err
}

func (m *model) restart(*rapid.T) {
	require.NoError(m.t, m.close())
	m.open()
	if m.maxReceives > 0 && m.queues[deadLetters] == nil {
		m.queues[deadLetters] = &modelQueue{id: m.mustLocate(deadLetters)}
	}
}

func (m *model) mustLocate(name string) *parigotpb.Id {
	queueID, err := m.b.locate(name)
	require.NoError(m.t, err)
	return queueID
}

func drawName(t *rapid.T) string {
	return rapid.SampledFrom([]string{"a", "a", "a", deadLetters, deadLetters, "b", "c"}).Draw(t, "name")
}

// draw returns a queue, and nil with an id that names none.
func (m *model) draw(t *rapid.T) (*modelQueue, *parigotpb.Id) {
	if q := m.queues[drawName(t)]; q != nil {
		return q, q.id
	}
	if len(m.gone) > 0 {
		return nil, rapid.SampledFrom(m.gone).Draw(t, "deleted queue")
	}
	return nil, &parigotpb.Id{High: 1, Low: 2}
}

func (m *model) requireCode(err error, code queuev1.QueueErr) {
	if code == queuev1.QueueErr_NoError {
		require.NoError(m.t, err)
	} else {
		require.ErrorIs(m.t, err, status.Of(code))
	}
}

func (m *model) createQueue(t *rapid.T) {
	name := drawName(t)
	resp, err := m.b.client.CreateQueue(m.b.t.Context(), &queuev1.CreateQueueRequest{QueueName: name})
	switch {
	case m.queues[name] != nil:
		m.requireCode(err, queuev1.QueueErr_AlreadyExists)
	case len(m.queues) >= maxModel:
		require.ErrorIs(t, err, status.Of(status.ResourceExhausted))
	default:
		require.NoError(t, err)
		m.queues[name] = &modelQueue{id: resp.GetId()}
	}
}

func (m *model) locate(t *rapid.T) {
	name := drawName(t)
	queueID, err := m.b.locate(name)
	if q := m.queues[name]; q == nil {
		m.requireCode(err, queuev1.QueueErr_NotFound)
	} else {
		require.NoError(t, err)
		require.Equal(t, queuev1parigot.QueueIdFromProto(q.id), queuev1parigot.QueueIdFromProto(queueID))
	}
}

func (m *model) deleteQueue(t *rapid.T) {
	q, queueID := m.draw(t)
	err := m.b.deleteQueue(queueID)
	if q == nil {
		m.requireCode(err, queuev1.QueueErr_NotFound)
		return
	}
	require.NoError(t, err)
	m.gone = append(m.gone, queueID)
	maps.DeleteFunc(m.queues, func(_ string, v *modelQueue) bool { return v == q })
}

func (m *model) send(t *rapid.T) {
	q, queueID := m.draw(t)
	texts := rapid.SliceOfN(rapid.StringN(0, 3, 12), 1, 5).Draw(t, "texts")
	for i, size := range rapid.SliceOfN(rapid.SampledFrom([]int{0, 0, 1000, 1500, 5000}), len(texts), len(texts)).Draw(t, "sizes") {
		texts[i] += largeText(m.order+i, size) // no two of one order are the same
	}
	ids, err := m.b.send(queueID, texts...)
	if q == nil {
		m.requireCode(err, queuev1.QueueErr_NotFound)
		return
	}
	require.NoError(t, err)
	for i, s := range texts {
		m.order++
		q.messages = append(q.messages, &modelMessage{id: queuev1parigot.QueueMsgIdFromProto(ids[i]), text: s, order: m.order})
	}
}

// sendBad sends good messages with a bad one among them. Nothing is sent; that
// check and the next Receive find out.
func (m *model) sendBad(t *rapid.T) {
	_, queueID := m.draw(t)
	req := &queuev1.SendRequest{Id: queueID, Msg: []*queuev1.QueueMsg{{Payload: textPayload(t, "good")}, {Payload: textPayload(t, "good")}}}
	bad := rapid.IntRange(0, 1).Draw(t, "bad")
	code := queuev1.QueueErr_NoPayload
	if req.Msg[bad].Payload = nil; rapid.Bool().Draw(t, "damaged") {
		req.Msg[bad].Payload = textPayload(t, "text")
		req.Msg[bad].Payload.Value[0] = 0xff
		code = queuev1.QueueErr_UnmarshalFailed
	}
	_, err := m.b.client.Send(m.b.t.Context(), req)
	m.requireCode(err, code)
}

func (m *model) receive(t *rapid.T) {
	q, queueID := m.draw(t)
	limit := rapid.IntRange(1, 6).Draw(t, "limit")
	got, err := m.b.receive(queueID, uint32(limit))
	if q == nil {
		m.requireCode(err, queuev1.QueueErr_NotFound)
		return
	}
	require.NoError(t, err)
	want := m.deliver(q, limit)
	require.Len(t, got, len(want))
	for i, w := range want {
		require.Equal(t, w.id, queuev1parigot.QueueMsgIdFromProto(got[i].GetMsgId()))
		if textOf(t, got[i]) != w.text { // not printed: it is long
			t.Fatalf("message %d came with another payload", w.order)
		}
		require.Equal(t, w.received, got[i].GetReceivedCount())
		require.NotNil(t, got[i].GetReceived())
	}
}

// deliver returns what Receive is to return: what has come back, in the order in
// which it did, and then what is new, in the order in which it was sent. What it
// meets that has come back too often is moved.
func (m *model) deliver(q *modelQueue, limit int) (delivered []*modelMessage) {
	dead := m.queues[deadLetters]
	if m.maxReceives > 0 && q == dead {
		for _, other := range m.queues {
			for _, msg := range slices.Clone(other.messages) {
				if other != dead && msg.ready() && m.tooOften(msg) {
					m.bury(other, msg)
				}
			}
		}
	}
	ready := slices.DeleteFunc(slices.Clone(q.messages), func(msg *modelMessage) bool { return !msg.ready() })
	slices.SortFunc(ready, func(a, b *modelMessage) int {
		if a.visibleAt.IsZero() != b.visibleAt.IsZero() {
			if a.visibleAt.IsZero() {
				return 1
			}
			return -1
		}
		return cmp.Or(a.visibleAt.Compare(b.visibleAt), cmp.Compare(a.order, b.order))
	})
	for _, msg := range ready {
		switch {
		case len(delivered) == limit:
		case q != dead && m.tooOften(msg):
			m.bury(q, msg)
		default:
			msg.received++
			msg.visibleAt = time.Now().Add(modelVisibility)
			delivered = append(delivered, msg)
		}
	}
	return delivered
}

func (m *model) tooOften(msg *modelMessage) bool {
	return m.maxReceives > 0 && !msg.visibleAt.IsZero() && msg.received >= m.maxReceives
}

// bury moves a message to the dead-letter queue, which the plugin makes when
// somebody has deleted it.
func (m *model) bury(from *modelQueue, msg *modelMessage) {
	if m.queues[deadLetters] == nil {
		m.queues[deadLetters] = &modelQueue{id: m.mustLocate(deadLetters)}
	}
	dead := m.queues[deadLetters]
	msg.visibleAt = time.Time{}
	dead.messages = append(dead.messages, msg)
	from.messages = slices.DeleteFunc(from.messages, func(other *modelMessage) bool { return other == msg })
}

func (m *model) markDone(t *rapid.T) {
	q, queueID := m.draw(t)
	ids := []queuev1parigot.QueueMsgId{queuev1parigot.NewQueueMsgId()}
	for _, other := range m.queues {
		for _, msg := range other.messages {
			ids = append(ids, msg.id)
		}
	}
	slices.SortFunc(ids, func(a, b queuev1parigot.QueueMsgId) int { return cmp.Compare(a.String(), b.String()) })
	ids = rapid.SliceOfN(rapid.SampledFrom(append(ids, m.finished...)), 0, 4).Draw(t, "ids")
	req := &queuev1.MarkDoneRequest{Id: queueID}
	for _, msg := range ids {
		req.MsgId = append(req.MsgId, msg.Proto())
	}
	resp, err := m.b.client.MarkDone(m.b.t.Context(), req)
	if q == nil {
		m.requireCode(err, queuev1.QueueErr_NotFound)
		return
	}
	require.NoError(t, err)
	var unmodified []queuev1parigot.QueueMsgId
	for _, msg := range ids {
		i := slices.IndexFunc(q.messages, func(c *modelMessage) bool { return c.id == msg })
		if i < 0 {
			unmodified = append(unmodified, msg)
			continue
		}
		q.messages = slices.Delete(q.messages, i, i+1)
		m.finished = append(m.finished, msg)
	}
	var got []queuev1parigot.QueueMsgId
	for _, p := range resp.GetUnmodified() {
		got = append(got, queuev1parigot.QueueMsgIdFromProto(p))
	}
	require.Equal(t, unmodified, got)
}

// wait lets a part of the visibility timeout pass, or all of it.
func (m *model) wait(t *rapid.T) {
	time.Sleep(time.Duration(rapid.SampledFrom([]int{1, 4, 5}).Draw(t, "quarters")) * modelVisibility / 4)
}

// check compares what can be seen at any time.
func (m *model) check(t *rapid.T) {
	for name, q := range m.queues {
		resp, err := m.b.client.Length(m.b.t.Context(), &queuev1.LengthRequest{Id: q.id})
		require.NoError(t, err, name)
		require.EqualValues(t, len(q.messages), resp.GetLength(), name)
	}
}
