//go:build !wasip1

package queue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	queuev1 "github.com/iansmith/parigot/examples/queue/gen/queue/v1"
	"github.com/iansmith/parigot/examples/queue/gen/queue/v1/queuev1parigot"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
)

// history is what guests did with messages, on the monotonic clock of the host.
type history struct {
	mu       sync.Mutex
	messages map[queuev1parigot.QueueMsgId]*pastMessage
}

type pastMessage struct {
	sent       bool
	deliveries []delivery
	done       time.Time // when the first MarkDone had returned; zero: none has
}

// delivery is a Receive that returned a message. The lease began somewhere between
// the two times.
type delivery struct {
	called, returned time.Time
	count            uint32
	caller           eng.Caller
}

func newHistory() *history {
	return &history{messages: map[queuev1parigot.QueueMsgId]*pastMessage{}}
}

// of returns a message. The caller holds h.mu.
func (h *history) of(messageID *parigotpb.Id) *pastMessage {
	key := queuev1parigot.QueueMsgIdFromProto(messageID)
	if h.messages[key] == nil {
		h.messages[key] = new(pastMessage)
	}
	return h.messages[key]
}

// check says what is wrong with the history of a queue that is empty.
//
// A message that was received is nobody else's for the visibility timeout. When
// exactly it was received is not known, so the time from the earliest moment of one
// delivery to the latest of the next counts: it is shorter than the timeout only if
// there were two holders. A second holder that comes late in the timeout, by less than
// the two calls took, is not seen. tolerance is for engines whose clocks differ.
func (h *history) check(visibility, tolerance time.Duration) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var errs []error
	for messageID, m := range h.messages {
		if err := m.check(visibility - tolerance); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", messageID, err))
		}
	}
	return errors.Join(errs...)
}

func (m *pastMessage) check(window time.Duration) error {
	if !m.sent || len(m.deliveries) == 0 || m.done.IsZero() {
		return fmt.Errorf("sent %t, deliveries %d, done %t", m.sent, len(m.deliveries), !m.done.IsZero())
	}
	// Not by time: a guest may be told late.
	slices.SortFunc(m.deliveries, func(a, b delivery) int { return cmp.Compare(a.count, b.count) })
	for i, d := range m.deliveries {
		if d.called.After(m.done) {
			return fmt.Errorf("received by %v %s after it was done", d.caller, d.called.Sub(m.done))
		}
		if i == 0 {
			continue
		}
		last := m.deliveries[i-1]
		if d.count == last.count {
			return fmt.Errorf("received by %v and by %v for the %d. time", last.caller, d.caller, d.count)
		}
		if apart := d.returned.Sub(last.called); apart < window {
			return fmt.Errorf("held by %v, and %s later by %v too", last.caller, apart, d.caller)
		}
	}
	return nil
}

// repeated returns how many deliveries were not the first of their message.
func (h *history) repeated() (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range h.messages {
		n += len(m.deliveries) - 1
	}
	return n
}

// recorder is a QueuePlugin that keeps a history of what it answers.
type recorder struct {
	*QueuePlugin
	history *history
}

// Init is [QueuePlugin.Init] for a recorder.
func (r recorder) Init(ctx context.Context, e eng.Engine) bool {
	p, err := newQueuePlugin(ctx, e)
	if err != nil {
		return pluginsdk.InitError(e, err)
	}
	e.OnClose(p.store.close)
	return queuev1parigot.RegisterQueue(ctx, e, recorder{p, r.history}) == nil
}

func (r recorder) Send(ctx context.Context, req *queuev1.SendRequest) (*queuev1.SendResponse, error) {
	resp, err := r.QueuePlugin.Send(ctx, req)
	r.history.mu.Lock()
	defer r.history.mu.Unlock()
	for _, messageID := range resp.GetMsgId() {
		r.history.of(messageID).sent = true
	}
	return resp, err
}

func (r recorder) Receive(ctx context.Context, req *queuev1.ReceiveRequest) (*queuev1.ReceiveResponse, error) {
	called := time.Now()
	resp, err := r.QueuePlugin.Receive(ctx, req)
	d := delivery{called: called, returned: time.Now(), caller: eng.CallerFromContext(ctx)}
	r.history.mu.Lock()
	defer r.history.mu.Unlock()
	for _, got := range resp.GetMsg() {
		m := r.history.of(got.GetMsgId())
		d.count = got.GetReceivedCount()
		m.deliveries = append(m.deliveries, d)
	}
	return resp, err
}

func (r recorder) MarkDone(ctx context.Context, req *queuev1.MarkDoneRequest) (*queuev1.MarkDoneResponse, error) {
	resp, err := r.QueuePlugin.MarkDone(ctx, req)
	now := time.Now()
	r.history.mu.Lock()
	defer r.history.mu.Unlock()
	for _, messageID := range req.GetMsgId() {
		if m := r.history.of(messageID); err == nil && m.done.IsZero() {
			m.done = now
		}
	}
	return resp, err
}

// TestHistoryTellsWhatIsWrong: the check of the tests with many consumers is one
// that can fail.
func TestHistoryTellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	start := time.Now()
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	received := func(called, returned int, count uint32) delivery {
		return delivery{called: at(called), returned: at(returned), count: count}
	}
	for name, c := range map[string]struct {
		message pastMessage
		want    string // "": nothing is wrong
	}{
		"once":          {pastMessage{true, []delivery{received(0, 5, 1)}, at(9)}, ""},
		"again":         {pastMessage{true, []delivery{received(0, 5, 1), received(98, 101, 2)}, at(110)}, ""},
		"done too late": {pastMessage{true, []delivery{received(0, 5, 1), received(105, 115, 2)}, at(110)}, ""},
		"lost":          {pastMessage{true, nil, time.Time{}}, "deliveries 0"},
		"never done":    {pastMessage{true, []delivery{received(0, 5, 1)}, time.Time{}}, "done false"},
		"from nowhere":  {pastMessage{false, []delivery{received(0, 5, 1)}, at(9)}, "sent false"},
		"two holders":   {pastMessage{true, []delivery{received(90, 99, 2), received(0, 5, 1)}, at(110)}, "99ms later"},
		"at once":       {pastMessage{true, []delivery{received(0, 5, 1), received(1, 4, 2)}, at(9)}, "held by"},
		"told late":     {pastMessage{true, []delivery{received(105, 110, 2), received(0, 115, 1)}, at(120)}, ""},
		"count is lost": {pastMessage{true, []delivery{received(0, 5, 1), received(105, 110, 1)}, at(115)}, "for the 1. time"},
		"after the end": {pastMessage{true, []delivery{received(0, 5, 1), received(210, 215, 2)}, at(9)}, "after it was done"},
	} {
		h := newHistory()
		h.messages[queuev1parigot.NewQueueMsgId()] = &c.message
		err := h.check(100*time.Millisecond, 0)
		if c.want == "" {
			require.NoError(t, err, name)
		} else {
			require.ErrorContains(t, err, c.want, name)
		}
	}
}
