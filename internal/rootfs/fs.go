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
	"syscall"
	"time"

	experimentalsys "github.com/tetratelabs/wazero/experimental/sys"
	"github.com/tetratelabs/wazero/sys"
)

// MaxPath bounds the paths below a root, in bytes. Those of what is in an open directory
// begin with the path of that, so each of them would make the next longer.
const MaxPath = 4096

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
	switch {
	case len(path) > MaxPath:
		return nil, experimentalsys.ENAMETOOLONG
	case flag&changing != 0 && !f.writable:
		return nil, f.refusal(path)
	}
	before, errno := f.openable(path, flag)
	if errno != 0 {
		return nil, errno
	}
	if !f.budget.mayOpen(path) {
		return nil, experimentalsys.EIO
	}
	file, errno := f.open(path, flag, perm, before)
	if errno != 0 {
		return nil, errno
	}
	info, err := file.Stat()
	switch {
	case err != nil:
	case flag&experimentalsys.O_DIRECTORY != 0 && !info.IsDir():
		err = experimentalsys.ENOTDIR
	case !info.IsDir() && !info.Mode().IsRegular():
		err = experimentalsys.EACCES // it took the place of what openable saw
	}
	if err != nil {
		_ = file.Close() // it was only looked at
		return nil, errnoOf(err)
	}
	opened := &openFile{File: file, fs: f, path: path, appends: flag&experimentalsys.O_APPEND != 0, id: idOf(sys.NewStat_t(info))}
	f.budget.opened(opened.id)
	return opened, 0
}

// open opens a file, and counts what that takes on the disk. before is what had the name:
// nil when nothing did.
func (f *FS) open(path string, flag experimentalsys.Oflag, perm fs.FileMode, before fs.FileInfo) (*os.File, experimentalsys.Errno) {
	creates := before == nil && flag&experimentalsys.O_CREAT != 0
	if creates && !f.budget.grow(entryCost) {
		return nil, experimentalsys.EIO
	}
	file, err := f.root.OpenFile(inside(path), osFlags(flag), perm.Perm())
	switch {
	case err != nil && creates:
		f.budget.shrink(entryCost)
	case err == nil && before != nil && flag&experimentalsys.O_TRUNC != 0:
		f.budget.shrink(uint64(before.Size()))
	}
	return file, errnoOf(err)
}

// refusal returns why a file of a directory that is not writable cannot be opened for
// writing: often, it would not have been there.
func (f *FS) refusal(path string) experimentalsys.Errno {
	if info, err := f.root.Stat(inside(path)); err == nil && info.IsDir() {
		return experimentalsys.EISDIR
	}
	return experimentalsys.EROFS
}

// openable returns what has the name, or nil. It refuses what would have the host wait, or
// reach a device: pipes, sockets and the like.
func (f *FS) openable(path string, flag experimentalsys.Oflag) (fs.FileInfo, experimentalsys.Errno) {
	look := f.root.Stat
	if flag&experimentalsys.O_NOFOLLOW != 0 {
		look = f.root.Lstat
	}
	info, err := look(inside(path))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, 0 // opening it says so, or creates it
	case err != nil:
		return nil, errnoOf(err)
	case info.Mode()&fs.ModeSymlink != 0:
		return nil, experimentalsys.ELOOP
	case !info.IsDir() && !info.Mode().IsRegular():
		return nil, experimentalsys.EACCES
	}
	return info, 0
}

func osFlags(flag experimentalsys.Oflag) int {
	out := syscall.O_NONBLOCK // so that no pipe has the host wait
	switch {
	case flag&experimentalsys.O_RDWR != 0:
		out |= os.O_RDWR
	case flag&experimentalsys.O_WRONLY != 0:
		out |= os.O_WRONLY
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
	if len(path) > MaxPath {
		return sys.Stat_t{}, experimentalsys.ENAMETOOLONG
	}
	return stat(f.root.Lstat(inside(path)))
}

// Stat implements the interface of wazero.
func (f *FS) Stat(path string) (sys.Stat_t, experimentalsys.Errno) {
	if len(path) > MaxPath {
		return sys.Stat_t{}, experimentalsys.ENAMETOOLONG
	}
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
	return f.change(path, func() error {
		if !f.budget.grow(entryCost) {
			return experimentalsys.EIO
		}
		err := f.root.Mkdir(inside(path), perm.Perm())
		if err != nil {
			f.budget.shrink(entryCost)
		}
		return err
	})
}

// Chmod implements the interface of wazero.
func (f *FS) Chmod(path string, perm fs.FileMode) experimentalsys.Errno {
	return f.change(path, func() error { return f.root.Chmod(inside(path), perm.Perm()) })
}

// Rename implements the interface of wazero.
func (f *FS) Rename(from, to string) experimentalsys.Errno {
	if len(from) > MaxPath {
		return experimentalsys.ENAMETOOLONG
	}
	return f.change(to, func() error {
		source, _ := f.root.Lstat(inside(from))
		target, _ := f.root.Lstat(inside(to)) // nil: there is none
		err := f.root.Rename(inside(from), inside(to))
		if err == nil && target != nil && !os.SameFile(source, target) {
			f.budget.removed(target)
		}
		return err
	})
}

// Rmdir implements the interface of wazero.
func (f *FS) Rmdir(path string) experimentalsys.Errno {
	return f.remove(path, func(info fs.FileInfo) experimentalsys.Errno {
		if !info.IsDir() {
			return experimentalsys.ENOTDIR
		}
		return 0
	})
}

// Unlink implements the interface of wazero.
func (f *FS) Unlink(path string) experimentalsys.Errno {
	return f.remove(path, func(info fs.FileInfo) experimentalsys.Errno {
		if info.IsDir() {
			return experimentalsys.EISDIR
		}
		return 0
	})
}

// remove removes what may says may be removed.
func (f *FS) remove(path string, may func(fs.FileInfo) experimentalsys.Errno) experimentalsys.Errno {
	return f.change(path, func() error {
		info, err := f.root.Lstat(inside(path))
		if err != nil {
			return err
		}
		if errno := may(info); errno != 0 {
			return errno
		}
		if err := f.root.Remove(inside(path)); err != nil {
			return err
		}
		f.budget.removed(info)
		return nil
	})
}

// Link implements the interface of wazero. Links are refused: a guest has no need for
// them, and who reads the directory on the host may follow them out of it.
func (f *FS) Link(string, string) experimentalsys.Errno { return experimentalsys.EPERM }

// Symlink implements the interface of wazero, as Link does.
func (f *FS) Symlink(string, string) experimentalsys.Errno { return experimentalsys.EPERM }

// Readlink implements the interface of wazero.
func (f *FS) Readlink(path string) (string, experimentalsys.Errno) {
	if len(path) > MaxPath {
		return "", experimentalsys.ENAMETOOLONG
	}
	target, err := f.root.Readlink(inside(path))
	return target, errnoOf(err)
}

// Utimens implements the interface of wazero.
func (f *FS) Utimens(path string, atim, mtim int64) experimentalsys.Errno {
	return f.change(path, func() error { return f.root.Chtimes(inside(path), timeOf(atim), timeOf(mtim)) })
}

// timeOf returns a time that Chtimes takes: the zero time leaves it as it is.
func timeOf(ns int64) time.Time {
	if ns == experimentalsys.UTIME_OMIT {
		return time.Time{}
	}
	return time.Unix(0, ns)
}

// change does what changes path, if that may be.
func (f *FS) change(path string, do func() error) experimentalsys.Errno {
	switch {
	case !f.writable:
		return experimentalsys.EROFS
	case len(path) > MaxPath:
		return experimentalsys.ENAMETOOLONG
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
