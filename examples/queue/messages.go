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
	"github.com/iansmith/parigot/pluginsdk/status"
)

// maxDelivery bounds the payloads and senders of one Receive, in bytes: more
// than the largest message has, and less than an engine lets through.
const maxDelivery = 2 * largestMaxPayload

// lease takes up to limit messages out of sight: first those that have come
// back, then new ones.
type lease struct {
	store *store
	queue queuev1parigot.QueueId
	limit int64

	messages []leased // what it took
	buried   []int64  // what it moved to the dead-letter queue
}

// leased is a message that was taken out of sight.
type leased struct {
	row    ParigotTestMessage // with its payload
	damage error              // why there is none
}

func (l *lease) run(ctx context.Context, q *Queries) (err error) {
	l.messages, l.buried = nil, nil // of a transaction that was undone
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
	// While nobody else can write: later somebody may mark a message done, and
	// somebody write where its payload was.
	payloads := payloadReader{segments: l.store.segments}
	defer func() { err = errors.Join(err, payloads.close()) }()
	until, now, size := l.store.leaseUntil(), textOfNow(), int64(0)
	for _, r := range rows {
		if size += r.Size; size > maxDelivery && len(l.messages) > 0 {
			return nil
		}
		m, err := q.LeaseMessage(ctx, LeaseMessageParams{VisibleAt: until, Now: now, RowID: r.RowID})
		if err != nil {
			return fmt.Errorf("take row %d out of sight: %w", r.RowID, err)
		}
		m.Payload, err = payloads.read(m)
		if err != nil && !errors.Is(err, errDamaged) {
			return fmt.Errorf("read the payload of row %d: %w", r.RowID, err)
		}
		l.messages = append(l.messages, leased{m, err})
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
