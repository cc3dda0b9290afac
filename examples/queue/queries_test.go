//go:build !wasip1

package queue

import (
	"context"
	"database/sql"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/iansmith/parigot/examples/queue/gen/queue/v1/queuev1parigot"
)

// The documented names and signatures.
var (
	_ func(DBTX) *Queries = New
	_ interface {
		WithTx(tx *sql.Tx) *Queries
		CreateIdToKeyMapping(ctx context.Context, arg CreateIdToKeyMappingParams) (ParigotTestQueueIDToKey, error)
		CreateMessage(ctx context.Context, arg CreateMessageParams) (ParigotTestMessage, error)
		CreateQueue(ctx context.Context, name string) (ParigotTestQueue, error)
		DeleteQueue(ctx context.Context, id int64) error
		GetQueue(ctx context.Context, id int64) (ParigotTestQueue, error)
		Length(ctx context.Context, queueKey sql.NullInt64) (int64, error)
		Locate(ctx context.Context, name string) (LocateRow, error)
		MarkDone(ctx context.Context, arg MarkDoneParams) error
		RetrieveMessage(ctx context.Context, arg RetrieveMessageParams) ([]ParigotTestMessage, error)
		TestNameExists(ctx context.Context, name string) (int64, error)
		UpdateMessageRetrieved(ctx context.Context, arg UpdateMessageRetrievedParams) error
	} = (*Queries)(nil)
	_ = CreateIdToKeyMappingParams{IDLow: sql.NullInt64{}, IDHigh: sql.NullInt64{}, QueueKey: sql.NullInt64{}}
	_ = CreateMessageParams{IDLow: sql.NullInt64{}, IDHigh: sql.NullInt64{}, QueueKey: sql.NullInt64{}, Sender: []byte{}, Payload: []byte{}}
	_ = LocateRow{IDHigh: sql.NullInt64{}, IDLow: sql.NullInt64{}}
	_ = MarkDoneParams{QueueKey: sql.NullInt64{}, IDLow: sql.NullInt64{}, IDHigh: sql.NullInt64{}}
	_ = UpdateMessageRetrievedParams{QueueKey: sql.NullInt64{}, IDLow: sql.NullInt64{}, IDHigh: sql.NullInt64{}}
	_ = RetrieveMessageParams{IDHigh: sql.NullInt64{}, IDLow: sql.NullInt64{}}
	_ = ParigotTestQueue{ID: 0, Name: ""}
	_ = ParigotTestQueueIDToKey{IDLow: sql.NullInt64{}, IDHigh: sql.NullInt64{}, QueueKey: sql.NullInt64{}}
	_ = ParigotTestMessage{
		IDLow: sql.NullInt64{}, IDHigh: sql.NullInt64{}, QueueKey: sql.NullInt64{},
		LastReceived: sql.NullString{}, ReceivedCount: sql.NullInt64{}, OriginalSent: sql.NullString{}, MarkedDone: sql.NullString{},
		Sender: []byte{}, Payload: []byte{},
	}
)

// TestQueriesBesideThePlugin does with the queries what a program of the host can
// do with them while the plugin runs.
func TestQueriesBesideThePlugin(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	queueID := b.createQueue("q")
	ids := b.mustSend(queueID, "first", "second")
	db, err := openDatabase(t.Context(), &settings{database: b.config.GetDatabase()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	q := New(db).WithTx(tx)

	exists, err := q.TestNameExists(t.Context(), "q")
	require.NoError(t, err)
	require.EqualValues(t, 1, exists)
	row, err := q.Locate(t.Context(), "q")
	require.NoError(t, err)
	require.True(t, proto.Equal(queueID, queueIdOf(row).Proto()))
	key, err := keyOf(t.Context(), q, queueIdOf(row))
	require.NoError(t, err)
	name, err := q.GetQueue(t.Context(), key.Int64)
	require.NoError(t, err)
	require.Equal(t, ParigotTestQueue{ID: key.Int64, Name: "q"}, name)

	messages, err := q.RetrieveMessage(t.Context(), RetrieveMessageParams(row))
	require.NoError(t, err)
	require.Len(t, messages, 2)
	payload := new(anypb.Any)
	require.NoError(t, proto.Unmarshal(messages[0].Payload, payload))
	require.True(t, proto.Equal(textPayload(t, "first"), payload))
	require.False(t, messages[0].LastReceived.Valid)
	first := UpdateMessageRetrievedParams{QueueKey: key, IDLow: messages[0].IDLow, IDHigh: messages[0].IDHigh}
	require.NoError(t, q.UpdateMessageRetrieved(t.Context(), first))
	require.NoError(t, q.MarkDone(t.Context(), MarkDoneParams{QueueKey: key, IDLow: messages[1].IDLow, IDHigh: messages[1].IDHigh}))
	length, err := q.Length(t.Context(), key)
	require.NoError(t, err)
	require.EqualValues(t, 1, length)
	require.NoError(t, tx.Commit())

	got := b.mustReceive(queueID, 10)
	require.Len(t, got, 1, "the other is done")
	require.True(t, proto.Equal(ids[0], got[0].GetMsgId()))
	require.EqualValues(t, 2, got[0].GetReceivedCount(), "the program has counted one")
}

// TestDeleteQueueTakesAllAlong leaves no row of a queue behind.
func TestDeleteQueueTakesAllAlong(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	gone, stays := b.createQueue("gone"), b.createQueue("stays")
	b.mustSend(gone, "a", "b")
	b.mustReceive(gone, 1)
	b.mustSend(stays, "c")
	require.NoError(t, b.deleteQueue(gone))
	require.Len(t, b.store.allMessagesAndQueues(t), 2, "one queue, one message")
	_, err := b.store.q.QueueKey(t.Context(), QueueKeyParams{
		IDHigh: bits(gone.GetHigh()), IDLow: bits(gone.GetLow()),
	})
	require.ErrorIs(t, err, sql.ErrNoRows)

	again := b.createQueue("gone")
	require.False(t, proto.Equal(gone, again))
	require.Zero(t, b.length(again))
	require.NotEqual(t, queuev1parigot.QueueIdFromProto(gone), queuev1parigot.QueueIdFromProto(again))
}
