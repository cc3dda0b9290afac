//go:build !wasip1

package queue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	queuev1 "github.com/iansmith/parigot/examples/queue/gen/queue/v1"
	"github.com/iansmith/parigot/examples/queue/gen/queue/v1/queuev1parigot"
	"github.com/iansmith/parigot/pluginsdk/id"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// create makes a queue of a name that is valid.
func (st *store) create(ctx context.Context, q *Queries, name string) (queuev1parigot.QueueId, error) {
	same, err := q.TestNameExists(ctx, name)
	if err != nil {
		return queuev1parigot.QueueId{}, fmt.Errorf("find the queue: %w", err)
	}
	if same > 0 {
		return queuev1parigot.QueueId{}, status.Errorf(queuev1.QueueErr_AlreadyExists, "there is a queue %q", name)
	}
	n, err := q.CountQueues(ctx)
	if err != nil {
		return queuev1parigot.QueueId{}, fmt.Errorf("count the queues: %w", err)
	}
	if n >= st.maxQueues {
		return queuev1parigot.QueueId{}, status.Errorf(status.ResourceExhausted, "there are %d queues, the host allows no more", n)
	}
	queueID, _, err := makeQueue(ctx, q, name)
	return queueID, err
}

func makeQueue(ctx context.Context, q *Queries, name string) (queuev1parigot.QueueId, sql.NullInt64, error) {
	row, err := q.CreateQueue(ctx, name)
	if err != nil {
		return queuev1parigot.QueueId{}, sql.NullInt64{}, fmt.Errorf("insert the queue: %w", err)
	}
	queueID, key := queuev1parigot.NewQueueId(), sql.NullInt64{Int64: row.ID, Valid: true}
	if _, err = q.CreateIdToKeyMapping(ctx, CreateIdToKeyMappingParams{
		IDLow: bits(queueID.Low()), IDHigh: bits(queueID.High()), QueueKey: key,
	}); err != nil {
		return queuev1parigot.QueueId{}, sql.NullInt64{}, fmt.Errorf("insert the queue's id: %w", err)
	}
	return queueID, key, nil
}

// findQueue returns the id of a queue, or the error NotFound.
func findQueue(ctx context.Context, q *Queries, name string) (queuev1parigot.QueueId, error) {
	row, err := q.Locate(ctx, name)
	if errors.Is(err, sql.ErrNoRows) {
		return queuev1parigot.QueueId{}, status.Errorf(queuev1.QueueErr_NotFound, "there is no queue %q", name)
	}
	if err != nil {
		return queuev1parigot.QueueId{}, fmt.Errorf("find the queue: %w", err)
	}
	return queueIdOf(row), nil
}

// drop deletes a queue with its messages and returns its name.
func drop(ctx context.Context, q *Queries, queueID queuev1parigot.QueueId) (name string, err error) {
	key, err := keyOf(ctx, q, queueID)
	if err != nil {
		return "", err
	}
	row, err := q.GetQueue(ctx, key.Int64)
	if err != nil {
		return "", fmt.Errorf("read the queue: %w", err)
	}
	if err := q.DeleteQueue(ctx, row.ID); err != nil {
		return "", fmt.Errorf("delete the queue: %w", err)
	}
	return row.Name, nil
}

func queueIdOf(row LocateRow) queuev1parigot.QueueId {
	return id.From[queuev1parigot.QueueIdKind](uint64(row.IDHigh.Int64), uint64(row.IDLow.Int64))
}
