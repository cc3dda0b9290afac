//go:build !wasip1

package queue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"time"
)

const (
	// payloadDir is what the directory of the segments has behind the name of the
	// database.
	payloadDir = "-payloads"
	// segmentBytes is the size of a segment, unless one Send brings more.
	segmentBytes = 64 << 20

	segmentDirPerm = 0o700 // as databasePerm, for the directory
)

// segments are the files beside a database that hold large payloads. A row names
// its payload by segment, offset and length.
//
// There are no other records of them. A segment is written to only by whoever has
// the database's one place for a writer, and only behind the last payload that the
// database had when that transaction began: what others need, or may need again
// because the transaction comes to nothing, is never touched. So a segment whose
// messages are all gone is written from its beginning again, and after a crash
// nothing needs to be repaired.
//
// The writer is the only one who uses segments.
type segments struct {
	dir       string
	size      int64    // of a new segment, in bytes
	committed *Queries // on a connection that does not see the writer's transaction
	sync      func(*os.File) error

	last int64 // the segment that was written to last; 0: none
	// Up to where this transaction has written the segments that it uses. What it has
	// written is not committed.
	ends map[int64]int64

	total   int64     // the size of all segments, in bytes
	counted time.Time // when the directory had changed last when they were counted
}

// place is where a block lies. A segment of 0 is none.
type place struct{ segment, offset int64 }

// errNoRoom is what place fails with when there may be no further segment.
var errNoRoom = errors.New("no room for a segment")

// begin says that a transaction has begun.
func (s *segments) begin() { clear(s.ends) }

// place finds room for n bytes. A new segment may have up to room bytes; if it
// would need more, or there is no more on the disk, the error is errNoRoom.
func (s *segments) place(ctx context.Context, n, room int64) (place, error) {
	if at, err := s.placeIn(ctx, s.last, n); err != nil || at.segment != 0 {
		return at, err
	}
	all, err := s.list()
	if err != nil {
		return place{}, err
	}
	newest := int64(0)
	for _, segment := range all {
		if at, err := s.placeIn(ctx, segment, n); err != nil || at.segment != 0 {
			return at, err
		}
		newest = max(newest, segment)
	}
	size := max(n, s.size)
	if size > room {
		return place{}, errNoRoom
	}
	return place{segment: newest + 1}, s.create(newest+1, size)
}

// placeIn is place in one segment, which may have gone. It returns none when there
// is no room.
func (s *segments) placeIn(ctx context.Context, segment, n int64) (place, error) {
	info, err := os.Stat(s.path(segment))
	if errors.Is(err, fs.ErrNotExist) {
		return place{}, nil
	}
	if err != nil {
		return place{}, err
	}
	end, err := s.end(ctx, segment)
	if err != nil || end > info.Size()-n {
		return place{}, err
	}
	return place{segment, end}, nil
}

// end returns where the next block in a segment may begin.
func (s *segments) end(ctx context.Context, segment int64) (int64, error) {
	if end, ok := s.ends[segment]; ok {
		return end, nil
	}
	last, err := s.committed.SegmentEnd(ctx, sql.NullInt64{Int64: segment, Valid: true})
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("find the end of payload segment %d: %w", segment, err)
	}
	offset, length := last.PayloadOffset.Int64, last.PayloadLength.Int64
	if offset < 0 || length < 0 || offset+length < 0 {
		return 0, fmt.Errorf("a row has a payload at %d of segment %d, with %d bytes", offset, segment, length)
	}
	// A page that holds payloads of others is not written again: a power cut
	// could damage it.
	return alignUp(offset + length), nil
}

// write puts block at a place and begins to sync it. The transaction must not be
// committed before synced has returned nil.
func (s *segments) write(at place, block []byte) (synced func() error, err error) {
	f, err := os.OpenFile(s.path(at.segment), os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	if _, err := f.WriteAt(block, at.offset); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	s.last, s.ends[at.segment] = at.segment, at.offset+int64(len(block))
	result := make(chan error, 1)
	go func() { result <- errors.Join(s.sync(f), f.Close()) }()
	return func() error { return <-result }, nil
}

// create makes a segment that a power cut does not take away.
func (s *segments) create(segment, size int64) error {
	err := os.Mkdir(s.dir, segmentDirPerm)
	if err == nil {
		err = syncDir(filepath.Dir(s.dir))
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	f, err := os.OpenFile(s.path(segment), os.O_WRONLY|os.O_CREATE|os.O_EXCL, databasePerm)
	if err != nil {
		return err
	}
	if err = errors.Join(preallocate(f, size), f.Sync(), f.Close()); err == nil {
		err = syncDir(s.dir)
	}
	if err == nil {
		return nil
	}
	err = errors.Join(err, os.Remove(f.Name()))
	if errors.Is(err, syscall.ENOSPC) {
		return errNoRoom
	}
	return err
}

// list returns the segments that there are, in order.
func (s *segments) list() (all []int64, err error) {
	files, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, f := range files {
		if segment, err := strconv.ParseInt(f.Name(), 10, 64); err == nil && segment > 0 && f.Type().IsRegular() {
			all = append(all, segment)
		}
	}
	slices.Sort(all)
	return all, nil
}

// bytes returns how large all segments are together. It looks again when some have
// come or gone.
func (s *segments) bytes() (int64, error) {
	info, err := os.Stat(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil || info.ModTime().Equal(s.counted) {
		return s.total, err
	}
	all, err := s.list()
	if err != nil {
		return 0, err
	}
	s.total = 0
	for _, segment := range all {
		f, err := os.Stat(s.path(segment))
		if err != nil {
			return 0, err
		}
		s.total += f.Size()
	}
	s.counted = info.ModTime()
	return s.total, nil
}

// removeFree removes the segments that hold nothing, all but one.
func (s *segments) removeFree(ctx context.Context, but int64) error {
	all, err := s.list()
	for _, segment := range all {
		if end, err := s.end(ctx, segment); err != nil {
			return err
		} else if end > 0 || segment == but {
			continue
		}
		if err := os.Remove(s.path(segment)); err != nil {
			return err
		}
	}
	return err
}

// check fails when there is no file for a segment that rows name.
func (s *segments) check(ctx context.Context) error {
	for segment := int64(0); ; {
		next, err := s.committed.NextSegment(ctx, sql.NullInt64{Int64: segment, Valid: true})
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("list the payload segments: %w", err)
		}
		segment = next.Int64
		if _, err := os.Stat(s.path(segment)); err != nil {
			return fmt.Errorf("messages of the database have their payloads in a file that cannot be used: %w; "+
				"a database and the directory %q belong together: bring the file back, or give these messages up with "+
				"DELETE FROM parigot_test_message WHERE payload_segment = %d", err, s.dir, segment)
		}
	}
}

func (s *segments) path(segment int64) string {
	return filepath.Join(s.dir, strconv.FormatInt(segment, 10))
}

// syncDir has a directory keep the files that were made in it.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // it does so by itself, and refuses to be asked
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// alignUp returns the next end of a page, or n if it is one.
func alignUp(n int64) int64 { return (n + pageSize - 1) / pageSize * pageSize }
