//go:build !wasip1

package queue

import (
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	queuev1 "github.com/iansmith/parigot/examples/queue/gen/queue/v1"
	"github.com/iansmith/parigot/examples/queue/gen/queue/v1/queuev1parigot"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
	"github.com/iansmith/parigot/pluginsdk/plugintest"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// bundle is a plugin with a database of its own, and a client that calls it
// through the bridge.
type bundle struct {
	t      *testing.T
	config *queuev1.QueueConfig
	change func(*settings) // what no host can configure; may be nil
	log    *plugintest.Output
	store  *store
	client queuev1parigot.QueueClient
}

// setup makes a plugin with a database in a file. configure may change its
// configuration, or be nil, and so may change its settings.
func setup(t *testing.T, configure func(*queuev1.QueueConfig), change ...func(*settings)) *bundle {
	t.Helper()
	b := &bundle{t: t, config: &queuev1.QueueConfig{Database: t.TempDir() + "/queues.db"}}
	for _, c := range change {
		b.change = c
	}
	if configure != nil {
		configure(b.config)
	}
	b.open()
	return b
}

// open starts the plugin on the database, again after close.
func (b *bundle) open() {
	b.t.Helper()
	s, err := newSettings(b.config)
	require.NoError(b.t, err)
	if b.change != nil {
		b.change(&s)
	}
	b.log = new(plugintest.Output)
	st, err := openStore(b.t.Context(), s, slog.New(slog.NewTextHandler(b.log, nil)))
	require.NoError(b.t, err)
	b.store = st
	b.t.Cleanup(func() { require.NoError(b.t, st.close(context.Background())) })
	b.client = queuev1parigot.NewLocalQueueClient(&QueuePlugin{store: st})
}

func (b *bundle) close() {
	b.t.Helper()
	require.NoError(b.t, b.store.close(b.t.Context()))
}

func (b *bundle) createQueue(name string) *parigotpb.Id {
	b.t.Helper()
	resp, err := b.client.CreateQueue(b.t.Context(), &queuev1.CreateQueueRequest{QueueName: name})
	require.NoError(b.t, err)
	return resp.GetId()
}

func (b *bundle) locate(name string) (*parigotpb.Id, error) {
	resp, err := b.client.Locate(b.t.Context(), &queuev1.LocateRequest{QueueName: name})
	return resp.GetId(), err
}

func (b *bundle) deleteQueue(queueID *parigotpb.Id) error {
	_, err := b.client.DeleteQueue(b.t.Context(), &queuev1.DeleteQueueRequest{Id: queueID})
	return err
}

// send sends messages with strings as their payloads.
func (b *bundle) send(queueID *parigotpb.Id, texts ...string) ([]*parigotpb.Id, error) {
	resp, err := b.client.Send(b.t.Context(), &queuev1.SendRequest{Id: queueID, Msg: messagesOf(b.t, texts)})
	return resp.GetMsgId(), err
}

// messagesOf returns messages with strings as their payloads.
func messagesOf(t require.TestingT, texts []string) (messages []*queuev1.QueueMsg) {
	for _, s := range texts {
		messages = append(messages, &queuev1.QueueMsg{Payload: textPayload(t, s)})
	}
	return messages
}

func (b *bundle) mustSend(queueID *parigotpb.Id, texts ...string) []*parigotpb.Id {
	b.t.Helper()
	ids, err := b.send(queueID, texts...)
	require.NoError(b.t, err)
	require.Len(b.t, ids, len(texts))
	return ids
}

func (b *bundle) receive(queueID *parigotpb.Id, limit uint32) ([]*queuev1.QueueMsg, error) {
	resp, err := b.client.Receive(b.t.Context(), &queuev1.ReceiveRequest{Id: queueID, Limit: limit})
	return resp.GetMsg(), err
}

func (b *bundle) mustReceive(queueID *parigotpb.Id, limit uint32) []*queuev1.QueueMsg {
	b.t.Helper()
	messages, err := b.receive(queueID, limit)
	require.NoError(b.t, err)
	return messages
}

// receiveTexts receives as many messages as there are and returns their payloads.
func (b *bundle) receiveTexts(queueID *parigotpb.Id) []string {
	b.t.Helper()
	var texts []string
	for _, m := range b.mustReceive(queueID, maxReceive) {
		texts = append(texts, textOf(b.t, m))
	}
	return texts
}

func (b *bundle) markDone(queueID *parigotpb.Id, ids ...*parigotpb.Id) []*parigotpb.Id {
	b.t.Helper()
	resp, err := b.client.MarkDone(b.t.Context(), &queuev1.MarkDoneRequest{Id: queueID, MsgId: ids})
	require.NoError(b.t, err)
	return resp.GetUnmodified()
}

func (b *bundle) length(queueID *parigotpb.Id) int64 {
	b.t.Helper()
	resp, err := b.client.Length(b.t.Context(), &queuev1.LengthRequest{Id: queueID})
	require.NoError(b.t, err)
	return resp.GetLength()
}

// requireIncident wants InternalError, with the id of an incident and nothing of
// the host.
func (b *bundle) requireIncident(err error) {
	b.t.Helper()
	require.ErrorIs(b.t, err, status.Of(queuev1.QueueErr_InternalError))
	require.Regexp(b.t, `^InternalError: queue\.v1\.Queue\.\w+ failed in the host, incident i-[0-9a-f]{32}$`, err.Error())
}

func textPayload(t require.TestingT, s string) *anypb.Any {
	a, err := anypb.New(wrapperspb.String(s))
	require.NoError(t, err)
	return a
}

func textOf(t require.TestingT, m *queuev1.QueueMsg) string {
	s := new(wrapperspb.StringValue)
	require.NoError(t, m.GetPayload().UnmarshalTo(s))
	return s.GetValue()
}

// done marks all messages done.
func (b *bundle) done(queueID *parigotpb.Id, messages []*queuev1.QueueMsg) {
	var ids []*parigotpb.Id
	for _, m := range messages {
		ids = append(ids, m.GetMsgId())
	}
	require.Empty(b.t, b.markDone(queueID, ids...))
}
