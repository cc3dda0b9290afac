//go:build !wasip1

package file

import (
	"errors"
	"io"
	"os"
	"sync"

	filev1 "github.com/iansmith/parigot/examples/file/gen/file/v1"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// openFile is one open file of one guest. It is safe for concurrent use: calls
// on the same open file take turns, calls on different ones do not wait for
// each other.
type openFile struct {
	path     string      // what the guest called it
	info     os.FileInfo // tells with os.SameFile which file it is
	writable bool

	mu     sync.Mutex // guards the rest
	status FileStatus
	file   *os.File
	// offset is kept here and not by the operating system, so that a read or
	// write that failed in the middle can be repeated.
	offset int64
}

// readNext returns at most limit of the bytes after the last ones read or
// written. It returns io.EOF when there are none.
func (f *openFile) readNext(limit uint32) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.status == Fs_Close {
		return nil, errFileClosed()
	}
	info, err := f.file.Stat()
	if err != nil {
		return nil, err
	}
	// What is left bounds the buffer: a guest cannot make its host allocate
	// more than the file holds.
	left := info.Size() - f.offset
	if left <= 0 {
		return nil, io.EOF
	}
	buf := make([]byte, min(int64(limit), left))
	n, err := f.file.ReadAt(buf, f.offset)
	// The file may have become shorter since, by the hand of its host.
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if n == 0 {
		return nil, io.EOF
	}
	f.offset += int64(n)
	return buf[:n], nil
}

// writeNext writes all of data after the last bytes read or written. When it
// fails, some of data may be in the file, but the next call writes at the same
// place.
func (f *openFile) writeNext(data []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.status == Fs_Close {
		return errFileClosed()
	}
	if !f.writable {
		return status.Errorf(filev1.FileErr_WriteError, "%s is open for reading only", f.path)
	}
	if _, err := f.file.WriteAt(data, f.offset); err != nil {
		return err
	}
	f.offset += int64(len(data))
	return nil
}

// truncate makes the file empty.
func (f *openFile) truncate() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.status == Fs_Close {
		return errFileClosed()
	}
	return f.file.Truncate(0)
}

// close waits for the call that uses the file, if there is one. Of several
// calls one closes, the others get FileClosedError.
func (f *openFile) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.status == Fs_Close {
		return errFileClosed()
	}
	f.status = Fs_Close
	return f.file.Close()
}

func errFileClosed() error {
	return status.Error(filev1.FileErr_FileClosedError, "the id names no open file of this guest")
}
