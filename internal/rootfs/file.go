package rootfs

import (
	"errors"
	"io"
	"os"

	experimentalsys "github.com/tetratelabs/wazero/experimental/sys"
	"github.com/tetratelabs/wazero/sys"
)

// openFile is an open file or directory of an [FS].
type openFile struct {
	experimentalsys.UnimplementedFile
	*os.File
	fs      *FS
	id      fileID
	path    string
	appends bool
	closed  bool
}

// The methods implement the interface of wazero.

func (f *openFile) Stat() (sys.Stat_t, experimentalsys.Errno) { return stat(f.File.Stat()) }

func (f *openFile) Dev() (uint64, experimentalsys.Errno) {
	st, errno := f.Stat()
	return st.Dev, errno
}

func (f *openFile) Ino() (sys.Inode, experimentalsys.Errno) {
	st, errno := f.Stat()
	return st.Ino, errno
}

func (f *openFile) IsDir() (bool, experimentalsys.Errno) {
	st, errno := f.Stat()
	return st.Mode.IsDir(), errno
}

func (f *openFile) IsAppend() bool { return f.appends }

// SetAppend cannot change what the file was opened for.
func (f *openFile) SetAppend(enable bool) experimentalsys.Errno {
	if enable != f.appends {
		return experimentalsys.ENOSYS
	}
	return 0
}

func (f *openFile) Read(buf []byte) (int, experimentalsys.Errno) {
	return f.pieces(buf, func(piece []byte, _ int) (int, error) { return f.File.Read(piece) })
}

func (f *openFile) Pread(buf []byte, off int64) (int, experimentalsys.Errno) {
	if off < 0 {
		return 0, experimentalsys.EINVAL
	}
	return f.pieces(buf, func(piece []byte, at int) (int, error) { return f.ReadAt(piece, off+int64(at)) })
}

func (f *openFile) Write(buf []byte) (int, experimentalsys.Errno) {
	if errno := f.room(-1, len(buf)); errno != 0 {
		return 0, errno
	}
	return f.pieces(buf, func(piece []byte, _ int) (int, error) { return f.File.Write(piece) })
}

func (f *openFile) Pwrite(buf []byte, off int64) (int, experimentalsys.Errno) {
	if off < 0 || f.appends {
		return 0, experimentalsys.EINVAL
	}
	if errno := f.room(off, len(buf)); errno != 0 {
		return 0, errno
	}
	return f.pieces(buf, func(piece []byte, at int) (int, error) { return f.WriteAt(piece, off+int64(at)) })
}

// pieceSize is how many bytes are moved, and pieceEntries how many entries of a directory
// are read, before the guest is ended if it is to end.
const (
	pieceSize    = 256 << 10
	pieceEntries = 256
)

// pieces moves buf piece by piece, until one is shorter. The end of the file is no error.
func (f *openFile) pieces(buf []byte, move func(piece []byte, at int) (int, error)) (n int, errno experimentalsys.Errno) {
	for n < len(buf) {
		piece := buf[n:min(n+pieceSize, len(buf))]
		k, err := move(piece, n)
		n += k
		if err != nil && !errors.Is(err, io.EOF) {
			return n, errnoOf(err)
		}
		if k < len(piece) {
			break
		}
		f.fs.budget.Check()
	}
	return n, 0
}

// room makes room on the disk for n bytes that are written at off, or at the file's own
// offset when that is negative.
func (f *openFile) room(off int64, n int) experimentalsys.Errno {
	if !f.fs.writable {
		return 0 // the write fails by itself
	}
	info, err := f.File.Stat()
	if err == nil && off < 0 && !f.appends {
		off, err = f.File.Seek(0, io.SeekCurrent)
	}
	switch {
	case err != nil:
		return errnoOf(err)
	case f.appends:
		off = info.Size()
	}
	end := off + int64(n)
	if end < off {
		return experimentalsys.EINVAL
	}
	if end > info.Size() && !f.fs.budget.grow(uint64(end-info.Size())) {
		return experimentalsys.EIO
	}
	return 0
}

// fileOffset keeps go vet from taking wazero's Seek for that of an io.Seeker.
type fileOffset = int64

func (f *openFile) Seek(offset fileOffset, whence int) (fileOffset, experimentalsys.Errno) {
	if isDir, errno := f.IsDir(); errno != 0 || isDir && offset != 0 {
		return 0, experimentalsys.EISDIR
	}
	at, err := f.File.Seek(offset, whence)
	return at, errnoOf(err)
}

func (f *openFile) Readdir(n int) ([]experimentalsys.Dirent, experimentalsys.Errno) {
	var entries []experimentalsys.Dirent
	for n <= 0 || len(entries) < n {
		most := pieceEntries
		if n > 0 {
			most = min(most, n-len(entries))
		}
		infos, err := f.File.Readdir(most)
		for _, info := range infos {
			st := sys.NewStat_t(info)
			entries = append(entries, experimentalsys.Dirent{Name: info.Name(), Ino: st.Ino, Type: info.Mode().Type()})
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return entries, errnoOf(err)
		}
		f.fs.budget.Check()
	}
	return entries, 0
}

func (f *openFile) Truncate(size int64) experimentalsys.Errno {
	return f.fs.change("", func() error {
		info, err := f.File.Stat()
		switch {
		case err != nil:
			return err
		case size > info.Size() && !f.fs.budget.grow(uint64(size-info.Size())):
			return experimentalsys.EIO
		}
		if err := f.File.Truncate(size); err != nil {
			return err // what was counted for it stays counted
		}
		if size < info.Size() {
			f.fs.budget.shrink(uint64(info.Size() - size))
		}
		return nil
	})
}

func (f *openFile) Sync() experimentalsys.Errno { return errnoOf(f.File.Sync()) }

func (f *openFile) Datasync() experimentalsys.Errno { return f.Sync() }

func (f *openFile) Utimens(atim, mtim int64) experimentalsys.Errno {
	return f.fs.Utimens(f.path, atim, mtim)
}

func (f *openFile) Close() experimentalsys.Errno {
	if f.closed {
		return 0
	}
	f.closed = true
	size := int64(0)
	if info, err := f.File.Stat(); err == nil && info.Mode().IsRegular() {
		size = info.Size()
	}
	f.fs.budget.closed(f.id, size)
	return errnoOf(f.File.Close())
}
