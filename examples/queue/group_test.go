//go:build !wasip1

package queue

import (
	"context"
	"database/sql"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	queuev1 "github.com/iansmith/parigot/examples/queue/gen/queue/v1"
	"github.com/iansmith/parigot/examples/queue/gen/queue/v1/queuev1parigot"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// TestFullDiskInAGroup: of jobs that share a transaction which fills the disk, those that
// have room are done: none is acknowledged and lost.
func TestFullDiskInAGroup(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.limitFile()
	q := b.createQueue("q")
	big := strings.Repeat("x", 60_000) // in its row
	var mu sync.Mutex
	var sent []*parigotpb.Id
	failed := 0
	for range 20 {
		resume := b.stall()
		var callers sync.WaitGroup
		for i := range 8 {
			callers.Go(func() {
				text := "small"
				if i%4 == 2 {
					text = big
				}
				ids, err := b.send(q, text)
				mu.Lock()
				defer mu.Unlock()
				sent = append(sent, ids...)
				if err == nil {
					return
				}
				failed++
				if !errors.Is(err, status.Of(status.ResourceExhausted)) {
					t.Errorf("unexpected: %v", err)
				}
			})
		}
		resume()
		callers.Wait()
	}
	require.EqualValues(t, len(sent), b.length(q))
	require.NotZero(t, failed)
}

// stall keeps the writer busy until resume is called, so that jobs gather.
func (b *bundle) stall() (resume func()) {
	b.store.groupTime = time.Hour // those that wait share a transaction, on the slowest machine too
	started, release := make(chan struct{}), make(chan struct{})
	go func() {
		_ = b.store.read(context.Background(), func(context.Context, *Queries) error {
			close(started)
			<-release
			return nil
		})
	}()
	<-started
	return func() { close(release) }
}

// insertion returns what Send does as a job.
func (b *bundle) insertion(queueID *parigotpb.Id, texts ...string) func(context.Context, *Queries) error {
	return func(ctx context.Context, q *Queries) error {
		batch, err := b.store.batchOf(b.t.Context(), messagesOf(b.t, texts))
		require.NoError(b.t, err)
		return b.store.insert(ctx, q, queuev1parigot.QueueIdFromProto(queueID), batch)
	}
}

func TestPanicBelongsToItsJob(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	err := b.store.write(t.Context(), func(context.Context, *Queries) error { panic("a bug") })
	require.ErrorContains(t, err, "panic: a bug")
	b.createQueue("q")
}

// TestOneOfAGroupFails: what a job did before it failed is undone, and nothing
// else.
func TestOneOfAGroupFails(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	q := b.createQueue("q")
	insertOne := b.insertion(q, "x")
	boom := errors.New("boom")
	resume := b.stall()
	results := make([]chan error, 9)
	for i := range results {
		results[i] = make(chan error, 1)
		b.store.jobs <- &job{result: results[i], do: func(ctx context.Context, queries *Queries) error {
			if err := insertOne(ctx, queries); err != nil || i%3 != 0 {
				return err
			}
			return boom
		}}
	}
	resume()
	for i, result := range results {
		if err := <-result; i%3 == 0 {
			require.ErrorIs(t, err, boom)
		} else {
			require.NoError(t, err)
		}
	}
	require.EqualValues(t, 6, b.length(q))
}

// TestReadInAGroupFails: SQLite undoes a transaction when it cannot read the disk.
// Jobs that come after that in the group are not done, as they are told that they
// failed.
func TestReadInAGroupFails(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	q := b.createQueue("q")
	insertOne := b.insertion(q, "x")
	badRead := func(ctx context.Context, _ *Queries) error {
		require.NoError(t, b.store.exec(ctx, "ROLLBACK"))
		return status.Error(queuev1.QueueErr_NotFound, "of the job that reads, and of no other")
	}
	resume := b.stall()
	jobs := []*job{{do: insertOne}, {do: insertOne}, {do: badRead, reads: true}, {do: insertOne}}
	for _, j := range jobs {
		j.result = make(chan error, 1)
		b.store.jobs <- j
	}
	resume()
	for _, j := range jobs[:3] {
		err := <-j.result
		require.ErrorContains(t, err, "no such savepoint")
		require.NotErrorIs(t, err, status.Of(queuev1.QueueErr_NotFound))
	}
	require.NoError(t, <-jobs[3].result, "it is in a transaction of its own")
	require.EqualValues(t, 1, b.length(q))
}

// TestCommitFails: when a transaction cannot be committed, none of the jobs that
// share it is acknowledged.
func TestCommitFails(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	q := b.createQueue("q")
	resume := b.stall()
	good := &job{result: make(chan error, 1), do: b.insertion(q, "x")}
	// A message of a queue that is not there, which SQLite finds out at the end.
	bad := &job{result: make(chan error, 1), do: func(ctx context.Context, queries *Queries) error {
		err := b.store.exec(ctx, "PRAGMA defer_foreign_keys = ON")
		require.NoError(t, err)
		_, err = queries.CreateMessage(ctx, CreateMessageParams{
			IDLow: bits(1), IDHigh: bits(1), QueueKey: sql.NullInt64{Int64: 99, Valid: true}, Payload: []byte{1},
		})
		return err
	}}
	b.store.jobs <- good
	b.store.jobs <- bad
	resume()
	require.ErrorContains(t, <-good.result, "FOREIGN KEY")
	require.ErrorContains(t, <-bad.result, "FOREIGN KEY")
	require.Zero(t, b.length(q))
	b.mustSend(q, "and on it goes")
}

// TestAbandonedJob: a call whose context ends while it waits for its turn does
// nothing.
func TestAbandonedJob(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	q := b.createQueue("q")
	resume := b.stall()
	ctx, cancel := context.WithCancel(t.Context())
	cancelled := make(chan error, 1)
	go func() {
		cancelled <- b.store.write(ctx, func(context.Context, *Queries) error {
			t.Error("it was done all the same")
			return nil
		})
	}()
	for len(b.store.jobs) == 0 { // until it waits
		select {
		case err := <-cancelled:
			require.NoError(t, err)
		default:
			runtime.Gosched()
		}
	}
	cancel()
	require.ErrorIs(t, <-cancelled, context.Canceled)
	resume()
	require.Zero(t, b.length(q))
}

// TestCloseDrains: calls that wait when the engine closes are done, later ones are
// refused.
func TestCloseDrains(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	q := b.createQueue("q")
	resume := b.stall()
	var callers sync.WaitGroup
	for range 10 {
		callers.Go(func() {
			if _, err := b.send(q, "x"); err != nil {
				t.Error(err)
			}
		})
	}
	for len(b.store.jobs) < 10 { // until all wait
		runtime.Gosched()
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, b.store.close(ended), context.Canceled, "it is still in use")
	_, err := b.send(q, "late")
	require.ErrorIs(t, err, status.Of(status.Unavailable))
	resume()
	callers.Wait()
	b.close()
	require.NoFileExists(t, b.config.GetDatabase()+"-wal", "all is in the one file")
	b.open()
	require.EqualValues(t, 10, b.length(q))
}
