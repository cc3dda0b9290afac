//go:build !wasip1

package queue

import (
	"context"
	"database/sql"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/durationpb"

	queuev1 "github.com/iansmith/parigot/examples/queue/gen/queue/v1"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// TestBusyDatabase: another program that writes is waited for, and then named as
// the reason.
func TestBusyDatabase(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *queuev1.QueueConfig) { c.BusyTimeout = durationpb.New(20 * time.Millisecond) })
	q := b.createQueue("q")
	other := openOther(t, b.config.GetDatabase())
	_, err := other.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	require.NoError(t, err)
	_, err = b.send(q, "a")
	require.ErrorIs(t, err, status.Of(status.Unavailable))
	require.ErrorContains(t, err, "another program keeps the host's queues busy")
	require.Zero(t, b.length(q), "reading goes on")
	_, err = other.ExecContext(t.Context(), "COMMIT")
	require.NoError(t, err)
	b.mustSend(q, "a")
}

func TestBusyDatabaseIsWaitedFor(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	other := openOther(t, b.config.GetDatabase())
	_, err := other.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	require.NoError(t, err)
	j := &job{result: make(chan error, 1), do: func(context.Context, *Queries) error { return nil }}
	b.store.jobs <- j
	for j.state.Load() == jobWaits {
		runtime.Gosched()
	}
	// The job begins its transaction, which takes far less time than this.
	_, err = other.ExecContext(t.Context(), "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 20000) SELECT max(n) FROM c")
	require.NoError(t, err)
	require.Empty(t, j.result, "it waits")
	_, err = other.ExecContext(t.Context(), "COMMIT")
	require.NoError(t, err)
	require.NoError(t, <-j.result)
}

// TestBusyDatabaseIsWaitedForTogether: many who wait for another program are told
// after the one timeout, and not one after the other.
func TestBusyDatabaseIsWaitedForTogether(t *testing.T) {
	t.Parallel()
	const timeout, callers = 500 * time.Millisecond, 40
	b := setup(t, func(c *queuev1.QueueConfig) { c.BusyTimeout = durationpb.New(timeout) })
	other := openOther(t, b.config.GetDatabase())
	_, err := other.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	require.NoError(t, err)
	resume := b.stall()
	nothing := func(context.Context, *Queries) error { return nil }
	jobs := make([]*job, callers)
	for i := range jobs {
		jobs[i] = &job{do: nothing, reads: i%10 == 9, result: make(chan error, 1)}
		b.store.jobs <- jobs[i]
	}
	start := time.Now()
	resume()
	for _, j := range jobs {
		if err := <-j.result; j.reads {
			require.NoError(t, err, "reading goes on")
		} else {
			require.True(t, isBusy(err), err)
		}
	}
	require.Less(t, time.Since(start), callers*timeout/2)
}

// openOther opens the database as another program does.
func openOther(t *testing.T, database string) *sql.Conn {
	t.Helper()
	s := settings{database: database}
	db, err := openDatabase(t.Context(), &s)
	require.NoError(t, err)
	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, errors.Join(conn.Close(), db.Close())) })
	return conn
}

// TestStartOnABusyDatabase: a start that fails leaves nothing open.
func TestStartOnABusyDatabase(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *queuev1.QueueConfig) { c.BusyTimeout = durationpb.New(0) })
	s, err := newSettings(b.config)
	require.NoError(t, err)
	require.NoError(t, b.store.exec(t.Context(), "BEGIN IMMEDIATE"))
	_, err = openStore(t.Context(), s, nil)
	require.True(t, isBusy(err), err)
	require.NoError(t, b.store.exec(t.Context(), "COMMIT"))
	b.close()
	require.NoFileExists(t, b.config.GetDatabase()+"-wal", "the last user removes it")
}
