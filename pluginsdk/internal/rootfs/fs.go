// Package rootfs gives guests a directory of the host: all that is in it, and nothing
// else, whatever symbolic links and paths a guest makes up.
//
// wazero has file systems of its own. They follow symbolic links out of the directory.
// These stand on [os.Root], which resolves each step of a path inside of it.
package rootfs

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	experimentalsys "github.com/tetratelabs/wazero/experimental/sys"
	"github.com/tetratelabs/wazero/sys"
)

// maxOpen bounds the files that an instance has open, as they are the host's, too.
const maxOpen = 1024

// Budget counts the open files of one instance, over all of its mounts. The zero value
// is ready to use.
type Budget struct{ open atomic.Int64 }

func (b *Budget) take() bool {
	if b.open.Add(1) > maxOpen {
		b.free()
		return false
	}
	return true
}

func (b *Budget) free() { b.open.Add(-1) }

// FS is a directory as a guest sees it. It is used by one instance.
type FS struct {
	experimentalsys.UnimplementedFS
	root     *os.Root
	writable bool
	budget   *Budget
}

// New returns the directory of root, which the caller closes after the instance has
// ended. A guest can neither make links nor open anything but files and directories.
func New(root *os.Root, writable bool, budget *Budget) *FS {
	return &FS{root: root, writable: writable, budget: budget}
}

// inside returns a path of wazero's as one below the root. Of what is in a directory that
// is open, wazero makes paths that start with a slash.
func inside(path string) string {
	return cmp.Or(strings.TrimLeft(path, "/"), ".")
}

const changing = experimentalsys.O_RDWR | experimentalsys.O_WRONLY | experimentalsys.O_CREAT | experimentalsys.O_TRUNC

// OpenFile implements the interface of wazero.
func (f *FS) OpenFile(path string, flag experimentalsys.Oflag, perm fs.FileMode) (experimentalsys.File, experimentalsys.Errno) {
	if flag&changing != 0 && !f.writable {
		return nil, f.refusal(path)
	}
	if errno := f.openable(path, flag); errno != 0 {
		return nil, errno
	}
	if !f.budget.take() {
		return nil, experimentalsys.EAGAIN
	}
	file, err := f.root.OpenFile(inside(path), osFlags(flag), perm.Perm())
	if err != nil {
		f.budget.free()
		return nil, errnoOf(err)
	}
	opened := &openFile{File: file, fs: f, path: path, appends: flag&experimentalsys.O_APPEND != 0}
	if flag&experimentalsys.O_DIRECTORY != 0 {
		if isDir, errno := opened.IsDir(); errno != 0 || !isDir {
			_ = opened.Close() // it was only looked at
			return nil, experimentalsys.ENOTDIR
		}
	}
	return opened, 0
}

// refusal returns why a file of a directory that is not writable cannot be opened for
// writing: often, it would not have been there.
func (f *FS) refusal(path string) experimentalsys.Errno {
	if info, err := f.root.Stat(inside(path)); err == nil && info.IsDir() {
		return experimentalsys.EISDIR
	}
	return experimentalsys.EROFS
}

// openable refuses what would have the host wait, or reach a device: pipes, sockets and
// the like.
func (f *FS) openable(path string, flag experimentalsys.Oflag) experimentalsys.Errno {
	look := f.root.Stat
	if flag&experimentalsys.O_NOFOLLOW != 0 {
		look = f.root.Lstat
	}
	info, err := look(inside(path))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0 // opening it says so, or creates it
	case err != nil:
		return errnoOf(err)
	case info.Mode()&fs.ModeSymlink != 0:
		return experimentalsys.ELOOP
	case !info.IsDir() && !info.Mode().IsRegular():
		return experimentalsys.EACCES
	}
	return 0
}

func osFlags(flag experimentalsys.Oflag) int {
	var out int
	switch {
	case flag&experimentalsys.O_RDWR != 0:
		out = os.O_RDWR
	case flag&experimentalsys.O_WRONLY != 0:
		out = os.O_WRONLY
	}
	for _, pair := range []struct {
		from experimentalsys.Oflag
		to   int
	}{
		{experimentalsys.O_APPEND, os.O_APPEND},
		{experimentalsys.O_CREAT, os.O_CREATE},
		{experimentalsys.O_EXCL, os.O_EXCL},
		{experimentalsys.O_TRUNC, os.O_TRUNC},
		{experimentalsys.O_SYNC, os.O_SYNC},
		{experimentalsys.O_DSYNC, os.O_SYNC},
	} {
		if flag&pair.from != 0 {
			out |= pair.to
		}
	}
	return out
}

// Lstat implements the interface of wazero.
func (f *FS) Lstat(path string) (sys.Stat_t, experimentalsys.Errno) {
	return stat(f.root.Lstat(inside(path)))
}

// Stat implements the interface of wazero.
func (f *FS) Stat(path string) (sys.Stat_t, experimentalsys.Errno) {
	return stat(f.root.Stat(inside(path)))
}

func stat(info fs.FileInfo, err error) (sys.Stat_t, experimentalsys.Errno) {
	if err != nil {
		return sys.Stat_t{}, errnoOf(err)
	}
	return sys.NewStat_t(info), 0
}

// Mkdir implements the interface of wazero.
func (f *FS) Mkdir(path string, perm fs.FileMode) experimentalsys.Errno {
	return f.change(func() error { return f.root.Mkdir(inside(path), perm.Perm()) })
}

// Chmod implements the interface of wazero.
func (f *FS) Chmod(path string, perm fs.FileMode) experimentalsys.Errno {
	return f.change(func() error { return f.root.Chmod(inside(path), perm.Perm()) })
}

// Rename implements the interface of wazero.
func (f *FS) Rename(from, to string) experimentalsys.Errno {
	return f.change(func() error { return f.root.Rename(inside(from), inside(to)) })
}

// Rmdir implements the interface of wazero.
func (f *FS) Rmdir(path string) experimentalsys.Errno {
	return f.change(func() error {
		if info, err := f.root.Lstat(inside(path)); err == nil && !info.IsDir() {
			return experimentalsys.ENOTDIR
		}
		return f.root.Remove(inside(path))
	})
}

// Unlink implements the interface of wazero.
func (f *FS) Unlink(path string) experimentalsys.Errno {
	return f.change(func() error {
		if info, err := f.root.Lstat(inside(path)); err == nil && info.IsDir() {
			return experimentalsys.EISDIR
		}
		return f.root.Remove(inside(path))
	})
}

// Link implements the interface of wazero. Links are refused: a guest has no need for
// them, and who reads the directory on the host may follow them out of it.
func (f *FS) Link(string, string) experimentalsys.Errno { return experimentalsys.EPERM }

// Symlink implements the interface of wazero, as Link does.
func (f *FS) Symlink(string, string) experimentalsys.Errno { return experimentalsys.EPERM }

// Readlink implements the interface of wazero.
func (f *FS) Readlink(path string) (string, experimentalsys.Errno) {
	target, err := f.root.Readlink(inside(path))
	return target, errnoOf(err)
}

// Utimens implements the interface of wazero.
func (f *FS) Utimens(path string, atim, mtim int64) experimentalsys.Errno {
	return f.change(func() error { return f.root.Chtimes(inside(path), timeOf(atim), timeOf(mtim)) })
}

// timeOf returns a time that Chtimes takes: the zero time leaves it as it is.
func timeOf(ns int64) time.Time {
	if ns == experimentalsys.UTIME_OMIT {
		return time.Time{}
	}
	return time.Unix(0, ns)
}

// change does what changes the directory, if that may be.
func (f *FS) change(do func() error) experimentalsys.Errno {
	if !f.writable {
		return experimentalsys.EROFS
	}
	return errnoOf(do())
}

// errnoOf returns the number of an error. What leads out of the directory has none; it
// is not permitted.
func errnoOf(err error) experimentalsys.Errno {
	if err == nil {
		return 0
	}
	if number, ok := errors.AsType[experimentalsys.Errno](err); ok {
		return number
	}
	errno := experimentalsys.UnwrapOSError(err)
	if errno == experimentalsys.EIO && !errors.As(err, new(syscall.Errno)) {
		return experimentalsys.EPERM
	}
	return errno
}
