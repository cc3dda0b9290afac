//go:build !wasip1

package queue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	queuev1 "github.com/iansmith/parigot/examples/queue/gen/queue/v1"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// maxBuried is how many messages one Receive moves to the dead-letter queue, or a
// few more: others wait for it. What is left is moved by the next.
const maxBuried = 1000

// returned names the messages of a queue that have come back and are to be
// delivered. Those that did it too often go to the dead-letter queue instead.
func (l *lease) returned(ctx context.Context, q *Queries, key sql.NullInt64) ([]ReturnedMessagesRow, error) {
	now := l.store.now()
	bury := l.store.maxReceives > 0 && l.store.deadLetter != ""
	if bury {
		queue, err := q.GetQueue(ctx, key.Int64)
		if err != nil {
			return nil, fmt.Errorf("read the queue: %w", err)
		}
		if queue.Name == l.store.deadLetter {
			bury = false
			// Those who read the dead letters want those of queues that
			// nobody receives from any more, too.
			if err := l.buryAll(ctx, q, key, now); err != nil {
				return nil, err
			}
		}
	}
	for {
		rows, err := q.ReturnedMessages(ctx, ReturnedMessagesParams{QueueKey: key, VisibleAt: now, Limit: l.limit})
		if err != nil {
			return nil, fmt.Errorf("find messages that have come back: %w", err)
		}
		if !bury || !slices.ContainsFunc(rows, l.tooOften) {
			return rows, nil
		}
		if len(l.buried) >= maxBuried {
			return slices.DeleteFunc(rows, l.tooOften), nil
		}
		if err := l.bury(ctx, q, rows); err != nil {
			return nil, err
		}
	}
}

// tooOften reports whether a message was delivered as often as any may be.
func (l *lease) tooOften(r ReturnedMessagesRow) bool {
	return r.ReceivedCount.Int64 >= int64(l.store.maxReceives)
}

// bury moves those messages of rows that were delivered too often to the
// dead-letter queue.
func (l *lease) bury(ctx context.Context, q *Queries, rows []ReturnedMessagesRow) error {
	dead, err := deadLetterKey(ctx, q, l.store.deadLetter)
	if err != nil {
		return err
	}
	for _, r := range rows {
		if !l.tooOften(r) {
			continue
		}
		if err := q.BuryMessage(ctx, BuryMessageParams{DeadLetterKey: dead, RowID: r.RowID}); err != nil {
			return fmt.Errorf("move row %d to the dead-letter queue: %w", r.RowID, err)
		}
		l.buried = append(l.buried, r.RowID)
	}
	return nil
}

// buryAll moves messages of all other queues that were delivered often enough to the
// dead-letter queue.
func (l *lease) buryAll(ctx context.Context, q *Queries, dead sql.NullInt64, now int64) error {
	others, err := q.OtherQueues(ctx, dead.Int64)
	if err != nil {
		return fmt.Errorf("list the queues: %w", err)
	}
	for _, key := range others {
		if len(l.buried) >= maxBuried {
			return nil
		}
		rows, err := q.BuryMessages(ctx, BuryMessagesParams{
			DeadLetterKey: dead, QueueKey: sql.NullInt64{Int64: key, Valid: true}, Now: now,
			MaxReceives: sql.NullInt64{Int64: int64(l.store.maxReceives), Valid: true},
			Limit:       maxBuried,
		})
		if err != nil {
			return fmt.Errorf("move messages to the dead-letter queue: %w", err)
		}
		l.buried = append(l.buried, rows...)
	}
	return nil
}

// deadLetterKey returns the key of the dead-letter queue, and makes the queue
// when somebody has deleted it.
func deadLetterKey(ctx context.Context, q *Queries, name string) (sql.NullInt64, error) {
	queueID, err := findQueue(ctx, q, name)
	if errors.Is(err, status.Of(queuev1.QueueErr_NotFound)) {
		_, key, err := makeQueue(ctx, q, name)
		return key, err
	}
	if err != nil {
		return sql.NullInt64{}, err
	}
	return keyOf(ctx, q, queueID)
}
