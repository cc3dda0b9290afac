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
	if len(buf) == 0 {
		return 0, 0
	}
	return transferred(f.File.Read(buf))
}

func (f *openFile) Pread(buf []byte, off int64) (int, experimentalsys.Errno) {
	if off < 0 {
		return 0, experimentalsys.EINVAL
	}
	return transferred(f.ReadAt(buf, off))
}

func (f *openFile) Write(buf []byte) (int, experimentalsys.Errno) {
	return transferred(f.File.Write(buf))
}

func (f *openFile) Pwrite(buf []byte, off int64) (int, experimentalsys.Errno) {
	if off < 0 || f.appends {
		return 0, experimentalsys.EINVAL
	}
	return transferred(f.WriteAt(buf, off))
}

// transferred turns the end of the file into a transfer of no bytes.
func transferred(n int, err error) (int, experimentalsys.Errno) {
	if errors.Is(err, io.EOF) {
		return n, 0
	}
	return n, errnoOf(err)
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
	infos, err := f.File.Readdir(n)
	entries := make([]experimentalsys.Dirent, 0, len(infos))
	for _, info := range infos {
		st := sys.NewStat_t(info)
		entries = append(entries, experimentalsys.Dirent{Name: info.Name(), Ino: st.Ino, Type: info.Mode().Type()})
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return entries, errnoOf(err)
}

func (f *openFile) Truncate(size int64) experimentalsys.Errno {
	return f.fs.change(func() error { return f.File.Truncate(size) })
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
	f.fs.budget.free()
	return errnoOf(f.File.Close())
}
