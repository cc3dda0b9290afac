//go:build !wasip1

package queue

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/iansmith/parigot/pluginsdk/status"
)

// On a full disk consumers must be able to make room, but to mark messages done takes some:
// SQLite writes changed pages to its log first, and new ones from there to the database.
// So there is a spare file beside the database, with that much room. Nothing is committed
// that makes the queues larger unless the spare is there; when the disk is full, it is
// removed for those who make room.
const (
	// spareFile is what the spare has behind the name of the database.
	spareFile = "-spare"
	// spareBytes is more than a Receive or a MarkDone writes to the log.
	spareBytes = 4 << 20
)

// errDiskFull is what a guest gets while there is no room.
func errDiskFull(j *job) error {
	if j.grows {
		return status.Error(status.ResourceExhausted, "the disk with the host's queues is full: have messages marked done, or make room on it")
	}
	return status.Error(status.ResourceExhausted, "the disk with the host's queues is full: ask for fewer messages at a time, or make room on it")
}

// isFull reports whether a disk has no room, or a quota is used up.
func isFull(err error) bool {
	if e, ok := errors.AsType[*sqlite.Error](err); ok && (e.Code()&0xff == sqlite3.SQLITE_FULL || e.Code() == sqlite3.SQLITE_IOERR_SHMSIZE) {
		return true
	}
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// commit commits the transaction that jobs are done in.
func (st *store) commit(ctx context.Context, grows bool) error {
	if grows {
		if err := st.keepSpare(ctx); err != nil {
			return err
		}
	}
	return st.exec(ctx, "COMMIT")
}

// prepareSpare prepares keepSpare, which is called while others wait for the database.
func (st *store) prepareSpare(ctx context.Context) (err error) {
	if err := st.conn.QueryRowContext(ctx, "PRAGMA page_size").Scan(&st.pageBytes); err != nil {
		return err
	}
	st.pageCount, err = st.conn.PrepareContext(ctx, "PRAGMA page_count")
	return err
}

// keepSpare has the spare be as large as it must be with what the transaction adds: the
// database grows by that when the log is moved there.
func (st *store) keepSpare(ctx context.Context) error {
	if st.database == inMemory {
		return nil
	}
	var pages int64
	if err := st.pageCount.QueryRowContext(ctx).Scan(&pages); err != nil {
		return fmt.Errorf("ask how large the database is: %w", err)
	}
	info, err := os.Stat(st.database)
	if err != nil {
		return fmt.Errorf("ask how large the database's file is: %w", err)
	}
	return st.takeSpare(max(0, pages*st.pageBytes-info.Size()))
}

// takeSpare makes the spare, with room for some bytes more than [spareBytes].
func (st *store) takeSpare(more int64) error {
	if st.database == inMemory {
		return nil
	}
	need := alignUp(spareBytes + more)
	info, err := os.Stat(st.database + spareFile)
	if err == nil && info.Size() >= need && info.Size() <= need+spareBytes {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("keep room on the disk: %w", err)
	}
	f, err := os.OpenFile(st.database+spareFile, os.O_WRONLY|os.O_CREATE, databasePerm)
	if err != nil {
		return fmt.Errorf("keep room on the disk: %w", err)
	}
	err = errors.Join(f.Truncate(min(need, sizeOf(info))), preallocate(f, need), f.Close())
	if err != nil {
		st.giveSpare() // it is not as large as it seems
		return fmt.Errorf("keep room on the disk: %w", err)
	}
	return nil
}

func sizeOf(info fs.FileInfo) int64 {
	if info == nil {
		return 0
	}
	return info.Size()
}

// giveSpare gives up the spare. If it cannot, what needs the room finds out.
func (st *store) giveSpare() {
	if st.database != inMemory {
		_ = os.Remove(st.database + spareFile)
	}
}

// alone does a job again whose transaction a full disk has undone: by itself, and with all
// the room that there is for who needs it to make more.
func (st *store) alone(ctx context.Context, j *job) error {
	st.giveSpare()
	st.shortenLog(ctx)
	err := st.removeFree(ctx)
	switch {
	case err != nil:
	case j.grows:
		if err = st.transactBesideSpare(ctx, j); isFull(err) && st.vacuum(ctx) {
			err = st.transactBesideSpare(ctx, j)
		}
	default:
		err = st.transact(ctx, j)
	}
	st.shortenLog(ctx)
	if spareErr := st.takeSpare(0); spareErr != nil {
		st.logger.WarnContext(ctx, "the disk with the queues is full: nothing can be sent", "database", st.database, "err", spareErr)
	}
	if isFull(err) {
		return errDiskFull(j)
	}
	return err
}

// transactBesideSpare does a job that must not have the room of the spare.
func (st *store) transactBesideSpare(ctx context.Context, j *job) error {
	if err := st.takeSpare(0); err != nil {
		return err
	}
	return st.transact(ctx, j)
}

// vacuum makes the database smaller when little is left in it, so that to write that anew
// takes less room than the spare. It reports whether it did.
func (st *store) vacuum(ctx context.Context) bool {
	var used, free int64
	err := st.conn.QueryRowContext(ctx, "SELECT (page_count - freelist_count) * page_size, freelist_count * page_size "+
		"FROM pragma_page_count, pragma_freelist_count, pragma_page_size").Scan(&used, &free)
	if err != nil || used > spareBytes/2 || free < spareBytes/4 {
		return false
	}
	st.giveSpare()
	st.shortenLog(ctx)
	err = st.exec(ctx, "VACUUM")
	st.shortenLog(ctx)
	return err == nil
}

// removeFree removes the segments that hold nothing.
func (st *store) removeFree(ctx context.Context) error {
	if st.segments == nil {
		return nil
	}
	if err := st.begin(ctx); err != nil {
		return err
	}
	defer st.rollback(ctx)
	return st.segments.removeFree(ctx, 0)
}

// transact does a job in a transaction of its own.
func (st *store) transact(ctx context.Context, j *job) error {
	if err := st.begin(ctx); err != nil {
		return err
	}
	err := j.run(ctx, st.q)
	if err == nil {
		err = st.commit(ctx, j.grows)
	}
	if err != nil {
		st.rollback(ctx)
	}
	return err
}

// shortenLog moves SQLite's log into the database and gives its room back, unless other
// programs read from it. Where that fails, there is as little room as before.
func (st *store) shortenLog(ctx context.Context) {
	_ = st.exec(ctx, "PRAGMA busy_timeout = 0")
	_ = st.exec(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	_ = st.exec(ctx, fmt.Sprintf("PRAGMA busy_timeout = %d", st.busyTimeout.Milliseconds()))
}
