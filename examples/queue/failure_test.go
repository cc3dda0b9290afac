//go:build !wasip1

package queue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/durationpb"

	queuev1 "github.com/iansmith/parigot/examples/queue/gen/queue/v1"
	"github.com/iansmith/parigot/examples/queue/gen/queue/v1/queuev1parigot"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// TestFullDisk fills a database that may not grow, which SQLite reports as it
// reports a full disk (SQLITE_FULL), and makes room again.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.limitFile()
	q := b.createQueue("q")
	big := strings.Repeat("x", 30_000) // two of them are in their rows
	var acknowledged []*parigotpb.Id
	var err error
	for err == nil {
		require.Less(t, len(acknowledged), 100, "the database never fills")
		var ids []*parigotpb.Id
		ids, err = b.send(q, big, big)
		acknowledged = append(acknowledged, ids...)
	}
	require.ErrorIs(t, err, status.Of(status.ResourceExhausted))
	require.ErrorContains(t, err, "the disk with the host's queues is full: have messages marked done")
	require.EqualValues(t, len(acknowledged), b.length(q), "a Send that fails sends nothing")

	require.Empty(t, b.markDone(q, acknowledged[:4]...))
	b.mustSend(q, big, big)
	require.EqualValues(t, len(acknowledged)-2, b.length(q))
}

// limitFile has SQLite fail when the database would have more than 1 MiB.
func (b *bundle) limitFile() {
	_, err := b.store.conn.ExecContext(b.t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", 1<<20/pageSize))
	require.NoError(b.t, err)
}

// TestFullDatabase: who sends too much is refused, and who receives is not, so
// that there is a way out.
func TestFullDatabase(t *testing.T) {
	t.Parallel()
	for _, keep := range []time.Duration{0, time.Minute} {
		b := setup(t, func(c *queuev1.QueueConfig) {
			c.MaxDatabaseBytes, c.KeepDone = minDatabase, durationpb.New(keep)
		})
		q := b.createQueue("q")
		sent, batch := 0, slices.Repeat([]string{"x"}, 400)
		var err error
		for err == nil {
			var ids []*parigotpb.Id
			ids, err = b.send(q, batch...)
			sent += len(ids)
			require.Less(t, sent, 10_000, "the database never fills")
		}
		require.ErrorIs(t, err, status.Of(status.ResourceExhausted))
		var size int
		require.NoError(t, b.store.conn.QueryRowContext(t.Context(),
			"SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").Scan(&size))
		require.LessOrEqual(t, size, minDatabase)
		require.Greater(t, size, minDatabase/2)

		var received []*queuev1.QueueMsg
		for len(received) < sent {
			some := b.mustReceive(q, maxReceive)
			require.NotEmpty(t, some)
			received = append(received, some...)
		}
		for some := range slices.Chunk(received, maxBatch) {
			b.done(q, some)
		}
		require.Zero(t, b.length(q))
		if keep == 0 {
			b.mustSend(q, batch...)
		}
	}
}

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

// TestReadOnly takes the right to write from SQLite, and gives it back.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	q := b.createQueue("q")
	b.mustSend(q, "a")
	pragma := func(s string) {
		_, err := b.store.conn.ExecContext(t.Context(), "PRAGMA query_only = "+s)
		require.NoError(t, err)
	}
	pragma("ON")
	_, err := b.send(q, "b")
	b.requireIncident(err)
	_, err = b.receive(q, 1)
	b.requireIncident(err)
	require.EqualValues(t, 1, b.length(q), "what only reads goes on")
	pragma("OFF")
	b.mustSend(q, "b")
	require.Equal(t, []string{"a", "b"}, b.receiveTexts(q))
}

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

// TestDamagedRow: a message that somebody has damaged keeps nobody from the
// others.
func TestDamagedRow(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	q := b.createQueue("q")
	b.mustSend(q, "a", "b", "c")
	_, err := b.store.conn.ExecContext(t.Context(), "UPDATE parigot_test_message SET payload = x'ff' WHERE row_id = 2")
	require.NoError(t, err)
	require.Equal(t, []string{"a", "c"}, b.receiveTexts(q))
	require.EqualValues(t, 3, b.length(q), "it can be repaired")
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

// TestStartErrorsSayWhatToDo: what SQLite says about a start is not enough.
func TestStartErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	hold := func(statements ...string) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			t.Helper()
			db, err := sql.Open("sqlite", path)
			require.NoError(t, err)
			db.SetMaxOpenConns(1)
			t.Cleanup(func() { require.NoError(t, db.Close()) })
			for _, s := range statements {
				_, err = db.ExecContext(t.Context(), s)
				require.NoError(t, err)
			}
		}
	}
	made := "CREATE TABLE t (x)"
	busy := []string{"another program has kept", "locked for longer than busy_timeout (20ms)", "end it, or its transaction, or set a longer busy_timeout"}
	for name, tt := range map[string]struct {
		prepare func(t *testing.T, path string)
		want    []string
		code    status.Code
	}{
		"written to":       {hold("PRAGMA journal_mode = wal", made, "BEGIN IMMEDIATE"), busy, status.Unavailable},
		"locked":           {hold(made, "BEGIN EXCLUSIVE"), busy, status.Unavailable},
		"read in old mode": {hold(made, "BEGIN", "SELECT * FROM t"), busy, status.Unavailable},
		"damaged": {func(t *testing.T, path string) {
			t.Helper()
			db, err := sql.Open("sqlite", path)
			require.NoError(t, err)
			_, err = db.ExecContext(t.Context(), made)
			require.NoError(t, errors.Join(err, db.Close()))
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			require.NoError(t, err)
			_, err = f.WriteAt(slices.Repeat([]byte{0xff}, 3900), 100)
			require.NoError(t, errors.Join(err, f.Close()))
		}, []string{"is damaged: bring it back from a copy"}, status.FailedPrecondition},
		"not a database": {func(t *testing.T, path string) {
			t.Helper()
			require.NoError(t, os.WriteFile(path, make([]byte, 10_000), 0o600))
		}, []string{"is no SQLite database: name another file"}, status.FailedPrecondition},
		"no room beside it": {func(t *testing.T, path string) {
			t.Helper()
			require.NoError(t, os.Mkdir(path+"-shm", 0o700))
		}, []string{"cannot make or open its files", "let the host's user write to it, and to the directory"}, status.FailedPrecondition},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "q.db")
			tt.prepare(t, path)
			s, err := newSettings(&queuev1.QueueConfig{Database: path, BusyTimeout: durationpb.New(20 * time.Millisecond)})
			require.NoError(t, err)
			_, err = openStore(t.Context(), s, nil)
			require.ErrorIs(t, err, status.Of(tt.code))
			for _, want := range append(tt.want, fmt.Sprintf("QueueConfig.database is %q", path)) {
				require.ErrorContains(t, err, want)
			}
		})
	}
}

// TestHostsStartTogether: several hosts may make the same database at the same
// time.
func TestHostsStartTogether(t *testing.T) {
	t.Parallel()
	database := t.TempDir() + "/queues.db"
	s, err := newSettings(&queuev1.QueueConfig{Database: database, MaxReceives: 1, DeadLetterQueue: "dead"})
	require.NoError(t, err)
	var hosts sync.WaitGroup
	for range 8 {
		hosts.Go(func() {
			st, err := openStore(context.Background(), s, nil)
			if err != nil {
				t.Error(err)
				return
			}
			if err := st.close(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	hosts.Wait()
	info, err := os.Stat(database)
	require.NoError(t, err)
	require.EqualValues(t, 0o600, info.Mode().Perm(), "nobody else reads the guests' messages")
}
