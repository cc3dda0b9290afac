//go:build !wasip1

package queue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/iansmith/parigot/pluginsdk/status"
)

// How many jobs share a transaction at the most, and after what time no more
// join, so that the first of them does not wait for too many others.
const (
	maxGroup     = 64
	maxGroupTime = 20 * time.Millisecond
)

// store is the one writer of a database. All that is done with the database is a
// job, and one goroutine does the jobs: those that are waiting when it starts a
// transaction share it, and the one sync to the disk that it costs. A job is
// acknowledged after that.
type store struct {
	settings
	logger *slog.Logger
	db     *sql.DB
	conn   *sql.Conn // the one that everything is done with
	q      *Queries  // prepared for conn

	pageCount *sql.Stmt // how many pages the database has, for keepSpare
	pageBytes int64

	segments *segments // nil: all payloads are in their rows
	reader   *sql.Conn // of segments.committed

	// What the clock said when the store was opened, in microseconds since 1970,
	// and when that was.
	epoch int64
	start time.Time

	groupTime time.Duration // maxGroupTime, unless a test wants more

	jobs     chan *job
	stop     func()        // closes closing
	closing  chan struct{} // closed: no more jobs
	stopped  chan struct{} // closed: the last job is done, the database is closed
	closeErr error         // of the database, set before stopped is closed
}

// job is something to do with the database.
type job struct {
	do     func(ctx context.Context, q *Queries) error
	reads  bool // it changes nothing
	grows  bool // it makes the queues larger
	state  atomic.Int32
	result chan error // gets one value if the job was taken
}

// A job waits until it is either taken by the writer or abandoned by its caller.
const (
	jobWaits = iota
	jobTaken
	jobAbandoned
)

// openStore opens the store, on a full disk with the room of the spare that an earlier run
// has left, if any.
func openStore(ctx context.Context, s settings, logger *slog.Logger) (*store, error) {
	st, err := tryOpenStore(ctx, s, logger)
	if isFull(err) {
		st, err = tryOpenStore(ctx, s, logger)
	}
	if err != nil {
		return nil, s.startError(err)
	}
	if err := st.takeSpare(0); err != nil {
		logger.WarnContext(ctx, "the disk with the queues is full: nothing can be sent", "database", st.database, "err", err)
	}
	go st.work()
	return st, nil
}

func tryOpenStore(ctx context.Context, s settings, logger *slog.Logger) (*store, error) {
	db, err := openDatabase(ctx, &s)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	st := &store{
		settings: s, logger: logger, db: db, epoch: start.UnixMicro(), start: start, groupTime: maxGroupTime,
		jobs: make(chan *job, maxGroup), closing: make(chan struct{}), stopped: make(chan struct{}),
	}
	st.stop = sync.OnceFunc(func() { close(st.closing) })
	if err := st.prepare(ctx); err != nil {
		return nil, errors.Join(err, st.release())
	}
	return st, nil
}

// release closes what prepare has opened, and the database.
func (st *store) release() error {
	st.giveSpare() // SQLite needs room, too, to move its log into the database
	var errs []error
	if st.q != nil {
		errs = append(errs, st.q.Close())
	}
	if st.pageCount != nil {
		errs = append(errs, st.pageCount.Close())
	}
	if st.conn != nil {
		errs = append(errs, st.conn.Close())
	}
	if st.segments != nil {
		errs = append(errs, st.segments.committed.Close(), st.reader.Close())
	}
	return errors.Join(append(errs, st.db.Close())...)
}

// prepare makes the database ready for jobs.
func (st *store) prepare(ctx context.Context) (err error) {
	if st.conn, err = st.db.Conn(ctx); err != nil {
		return err
	}
	if st.q, err = Prepare(ctx, st.conn); err != nil {
		return err
	}
	if err := errors.Join(st.prepareSpare(ctx), st.openSegments(ctx)); err != nil {
		return err
	}
	// The clock may have gone back since the messages were received.
	if err = st.q.ShortenLeases(ctx, st.leaseUntil()); err != nil {
		return err
	}
	// What is done may have been kept for longer until now.
	for n := int64(1); n > 0; {
		if n, err = st.removeDone(ctx, st.q); err != nil {
			return err
		}
	}
	if st.deadLetter == "" {
		return nil
	}
	// Another host may be about to make the same queue.
	if err := st.begin(ctx); err != nil {
		return err
	}
	if _, err := deadLetterKey(ctx, st.q, st.deadLetter); err != nil {
		st.rollback(ctx)
		return err
	}
	return st.commit(ctx, true)
}

// now returns the time in microseconds since 1970. A clock that somebody sets
// does not move it.
func (st *store) now() int64 {
	return st.epoch + time.Since(st.start).Microseconds()
}

// leaseUntil returns when a message that is received now comes back.
func (st *store) leaseUntil() int64 {
	return st.now() + st.visibility.Microseconds()
}

// write does a job that may change the database, and returns when what it did
// survives a power cut. When it fails, it did nothing. When ctx ends while the
// job waits for its turn, it is not done.
func (st *store) write(ctx context.Context, do func(ctx context.Context, q *Queries) error) error {
	return st.submit(ctx, &job{do: do, result: make(chan error, 1)})
}

// grow is write for a job that makes the queues larger.
func (st *store) grow(ctx context.Context, do func(ctx context.Context, q *Queries) error) error {
	return st.submit(ctx, &job{do: do, grows: true, result: make(chan error, 1)})
}

// read is write for a job that changes nothing.
func (st *store) read(ctx context.Context, do func(ctx context.Context, q *Queries) error) error {
	return st.submit(ctx, &job{do: do, reads: true, result: make(chan error, 1)})
}

func (st *store) submit(ctx context.Context, j *job) error {
	select {
	case <-st.closing:
		return errClosed()
	default:
	}
	select {
	case st.jobs <- j:
	case <-st.closing:
		return errClosed()
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-j.result:
		return err
	case <-ctx.Done():
		if j.state.CompareAndSwap(jobWaits, jobAbandoned) {
			return ctx.Err()
		}
		return <-j.result
	case <-st.stopped:
		// The writer left between our look at closing and our job.
		select {
		case err := <-j.result:
			return err
		default:
			return errClosed()
		}
	}
}

// work does the jobs until close, and those that are waiting then. SQLite moves
// its log into the database when the last user closes it.
func (st *store) work() {
	defer close(st.stopped)
	defer func() { st.closeErr = st.release() }()
	for {
		select {
		case j := <-st.jobs:
			st.group(j)
		case <-st.closing:
			for j := st.next(); j != nil; j = st.next() {
				st.group(j)
			}
			return
		}
	}
}

// next returns a job that waits, or nil.
func (st *store) next() *job {
	select {
	case j := <-st.jobs:
		return j
	default:
		return nil
	}
}

// group does a job, and with it those that are waiting.
func (st *store) group(first *job) {
	if !first.take() {
		return
	}
	ctx := context.Background() // jobs of several callers depend on it
	if first.reads {
		first.result <- first.run(ctx, st.q)
		return
	}
	waiting := len(st.jobs)
	if err := st.begin(ctx); err != nil {
		first.result <- err
		if isBusy(err) {
			st.refuse(waiting, err)
		}
		return
	}
	g := group{jobs: []*job{first}, results: []error{nil}}
	err := first.run(ctx, st.q)
	if err == nil {
		err = st.join(ctx, &g)
	}
	if err == nil {
		err = st.commit(ctx, g.grows())
	}
	if err != nil {
		st.rollback(ctx)
	}
	if isFull(err) {
		for _, j := range g.jobs {
			j.result <- st.alone(ctx, j)
		}
		return
	}
	g.acknowledge(err)
}

// refuse gives err to those of the next n jobs that change something: they have
// waited for the database as long as the one that got it first, and would wait for
// each other in addition.
func (st *store) refuse(n int, err error) {
	for range n {
		if j := st.next(); j.reads {
			st.group(j)
		} else if j.take() {
			j.result <- err
		}
	}
}

// join does the jobs that wait, in the transaction of g. An error is one of the
// transaction.
func (st *store) join(ctx context.Context, g *group) error {
	start := time.Now()
	for len(g.jobs) < maxGroup && time.Since(start) < st.groupTime {
		j := st.next()
		if j == nil {
			return nil
		}
		if !j.take() {
			continue
		}
		result, err := st.nested(ctx, j)
		g.jobs, g.results = append(g.jobs, j), append(g.results, result)
		if err != nil {
			return err
		}
	}
	return nil
}

// take is true when the job is the writer's to do: its caller waits for the result.
func (j *job) take() bool { return j.state.CompareAndSwap(jobWaits, jobTaken) }

// run makes an error of a panic: it belongs to the caller, not to the writer.
func (j *job) run(ctx context.Context, q *Queries) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return j.do(ctx, q)
}

// close does the jobs that wait, refuses further ones, and closes the database.
// When ctx ends first it returns its error, and all that still happens. It may
// be called again.
func (st *store) close(ctx context.Context) error {
	st.stop()
	select {
	case <-st.stopped:
	case <-ctx.Done():
		return fmt.Errorf("queue: the database is still in use: %w", ctx.Err())
	}
	if st.closeErr != nil {
		return fmt.Errorf("queue: close the database: %w", st.closeErr)
	}
	return nil
}

func errClosed() error {
	return status.Error(status.Unavailable, "the host has closed its queues")
}
