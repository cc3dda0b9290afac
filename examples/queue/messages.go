//go:build !wasip1

package queue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	queuev1 "github.com/iansmith/parigot/examples/queue/gen/queue/v1"
	"github.com/iansmith/parigot/examples/queue/gen/queue/v1/queuev1parigot"
	"github.com/iansmith/parigot/pluginsdk/id"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// maxDelivery bounds the payloads and senders of one Receive, in bytes: more
// than the largest message has, and less than an engine lets through.
const maxDelivery = 2 * largestMaxPayload

// rowBytes is more than a small message takes beside its payload and sender: about
// 160 bytes, in its row and in the indexes.
const rowBytes = 256

// content is what a message holds, encoded.
type content struct {
	id              queuev1parigot.QueueMsgId
	sender, payload []byte
}

// newMessageID returns an id that nobody can guess: 80 of its bits are random. It
// starts with the time, so that the index of the ids grows at its end and the
// messages of a batch lie together; random ids made a batch several times as slow.
func newMessageID() queuev1parigot.QueueMsgId {
	random := queuev1parigot.NewQueueMsgId()
	const randomBits = 16
	high := uint64(time.Now().UnixMilli())<<randomBits | random.High()&(1<<randomBits-1)
	return id.From[queuev1parigot.QueueMsgIdKind](high, random.Low())
}

// checkRoom fails when the database may not become so large that messages fit in.
// Only who sends is refused: a message needs some more room when it is received,
// and could never be marked done without.
func (st *store) checkRoom(ctx context.Context, messages []content) error {
	if st.maxDatabaseBytes == 0 {
		return nil
	}
	var used uint64
	if err := st.conn.QueryRowContext(ctx, "SELECT (page_count - freelist_count) * page_size "+
		"FROM pragma_page_count, pragma_freelist_count, pragma_page_size").Scan(&used); err != nil {
		return fmt.Errorf("ask how large the database is: %w", err)
	}
	size := uint64(len(messages)) * rowBytes
	for _, m := range messages {
		size += uint64(len(m.sender) + len(m.payload))
	}
	if used+size > st.maxDatabaseBytes {
		return status.Error(status.ResourceExhausted, "the host's queues are as full as they may be: have messages marked done")
	}
	return nil
}

// insert stores messages in their order.
func insert(ctx context.Context, q *Queries, queueID queuev1parigot.QueueId, messages []content) error {
	key, err := keyOf(ctx, q, queueID)
	if err != nil {
		return err
	}
	sent := textOfNow()
	for _, m := range messages {
		if err := q.AddMessage(ctx, AddMessageParams{
			IDLow: bits(m.id.Low()), IDHigh: bits(m.id.High()), QueueKey: key,
			Sender: m.sender, Payload: m.payload, OriginalSent: sent,
		}); err != nil {
			return fmt.Errorf("insert a message: %w", err)
		}
	}
	return nil
}

// lease takes up to limit messages out of sight: first those that have come
// back, then new ones.
type lease struct {
	store *store
	queue queuev1parigot.QueueId
	limit int64

	messages []ParigotTestMessage // what it took
	buried   []int64              // what it moved to the dead-letter queue
}

func (l *lease) run(ctx context.Context, q *Queries) error {
	key, err := keyOf(ctx, q, l.queue)
	if err != nil {
		return err
	}
	rows, err := l.returned(ctx, q, key)
	if err != nil {
		return err
	}
	if left := l.limit - int64(len(rows)); left > 0 {
		fresh, err := q.NewMessages(ctx, NewMessagesParams{QueueKey: key, Limit: left})
		if err != nil {
			return fmt.Errorf("find new messages: %w", err)
		}
		for _, r := range fresh {
			rows = append(rows, ReturnedMessagesRow(r))
		}
	}
	until, now, size := l.store.leaseUntil(), textOfNow(), int64(0)
	for _, r := range rows {
		if size += r.Size; size > maxDelivery && len(l.messages) > 0 {
			return nil
		}
		m, err := q.LeaseMessage(ctx, LeaseMessageParams{VisibleAt: until, Now: now, RowID: r.RowID})
		if err != nil {
			return fmt.Errorf("take row %d out of sight: %w", r.RowID, err)
		}
		l.messages = append(l.messages, m)
	}
	return nil
}

// finish marks messages done and returns those of which there were none to mark.
func (st *store) finish(ctx context.Context, q *Queries, queueID queuev1parigot.QueueId, ids []queuev1parigot.QueueMsgId) ([]queuev1parigot.QueueMsgId, error) {
	key, err := keyOf(ctx, q, queueID)
	if err != nil {
		return nil, err
	}
	end := remove
	if st.keepDone > 0 {
		end = mark
	}
	var unmodified []queuev1parigot.QueueMsgId
	for _, m := range ids {
		open, err := end(ctx, q, MarkDoneParams{QueueKey: key, IDLow: bits(m.Low()), IDHigh: bits(m.High())})
		if err != nil {
			return nil, fmt.Errorf("mark a message done: %w", err)
		}
		if !open {
			unmodified = append(unmodified, m)
		}
	}
	if st.keepDone == 0 || len(unmodified) == len(ids) {
		return unmodified, nil
	}
	_, err = st.removeDone(ctx, q)
	return unmodified, err
}

// removeDone removes some of what was done and kept for long enough, and returns
// how many that were.
func (st *store) removeDone(ctx context.Context, q *Queries) (int64, error) {
	n, err := q.RemoveDone(ctx, fmt.Sprintf("-%.3f seconds", st.keepDone.Seconds()))
	if err != nil {
		return 0, fmt.Errorf("remove what is done: %w", err)
	}
	return n, nil
}

// mark marks a message done and keeps it. It is false when there was none to
// mark.
func mark(ctx context.Context, q *Queries, message MarkDoneParams) (bool, error) {
	open, err := q.IsOpen(ctx, IsOpenParams(message))
	if err != nil || open == 0 {
		return false, err
	}
	return true, q.MarkDone(ctx, message)
}

// remove is mark for a message that is not kept, which is quicker.
func remove(ctx context.Context, q *Queries, message MarkDoneParams) (bool, error) {
	n, err := q.RemoveMessage(ctx, RemoveMessageParams(message))
	return n > 0, err
}

// keyOf returns the key of a queue in the database, or the error NotFound.
func keyOf(ctx context.Context, q *Queries, queueID queuev1parigot.QueueId) (sql.NullInt64, error) {
	key, err := q.QueueKey(ctx, QueueKeyParams{IDHigh: bits(queueID.High()), IDLow: bits(queueID.Low())})
	if errors.Is(err, sql.ErrNoRows) {
		return key, status.Error(queuev1.QueueErr_NotFound, "the id names no queue")
	}
	if err != nil {
		return key, fmt.Errorf("find the queue: %w", err)
	}
	return key, nil
}

// textOfNow returns the time as columns have it.
func textOfNow() sql.NullString {
	return sql.NullString{String: time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), Valid: true}
}

// bits keeps half of an id in a column, which has a sign.
func bits(half uint64) sql.NullInt64 {
	return sql.NullInt64{Int64: int64(half), Valid: true}
}
