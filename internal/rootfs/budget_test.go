package rootfs

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	experimentalsys "github.com/tetratelabs/wazero/experimental/sys"
)

const create = experimentalsys.O_RDWR | experimentalsys.O_CREAT

func newFS(t *testing.T, b *Budget) *FS {
	t.Helper()
	root, err := os.OpenRoot(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, root.Close()) })
	b.MaxOpen, b.Check = 10, func() {}
	return New(root, true, b)
}

// TestDisk: files count from when they grow until nothing has them any more.
func TestDisk(t *testing.T) {
	t.Parallel()
	var exceeded []uint16
	b := &Budget{MaxDisk: 3 * entryCost, Exceeded: func(errno uint16) { exceeded = append(exceeded, errno) }}
	f := newFS(t, b)
	a, errno := f.OpenFile("a", create, 0o600)
	require.Zero(t, errno)
	n, errno := a.Write(make([]byte, entryCost))
	require.Zero(t, errno)
	require.Equal(t, entryCost, n)
	require.EqualValues(t, 2*entryCost, b.Disk)

	_, errno = a.Pwrite([]byte("x"), 0)
	require.Zero(t, errno, "what is there already is free")
	_, errno = a.Pwrite([]byte("x"), 1<<40)
	require.NotZero(t, errno, "and holes are not")
	require.NotZero(t, a.Truncate(1<<62))
	require.Equal(t, []uint16{ErrnoDisk, ErrnoDisk}, exceeded)
	require.EqualValues(t, 2*entryCost, b.Disk)

	require.Zero(t, f.Unlink("a"))
	require.EqualValues(t, 2*entryCost, b.Disk, "it is open")
	again, errno := f.OpenFile("a", create, 0o600)
	require.Zero(t, errno)
	require.Zero(t, again.Close())
	require.Zero(t, a.Close())
	require.EqualValues(t, entryCost, b.Disk)

	require.Zero(t, f.Mkdir("d", 0o700))
	require.NotZero(t, f.Mkdir("d", 0o700))
	require.EqualValues(t, 2*entryCost, b.Disk)
	require.Zero(t, f.Rename("a", "b"))
	other, errno := f.OpenFile("c", create, 0o600)
	require.Zero(t, errno)
	require.Zero(t, other.Close())
	require.Zero(t, f.Rename("c", "b"), "in the place of another")
	require.Zero(t, f.Rmdir("d"))
	require.Zero(t, f.Unlink("b"))
	require.Zero(t, b.Disk)
	require.Empty(t, b.files)
	require.Zero(t, b.open)
}

// TestRootsCanBeOpened: a guest that has as many files open as it may can use a directory
// that it did not touch before.
func TestRootsCanBeOpened(t *testing.T) {
	t.Parallel()
	b := &Budget{MaxDisk: 1 << 20, Roots: 1, Exceeded: func(uint16) {}}
	f := newFS(t, b)
	for range b.MaxOpen {
		_, errno := f.OpenFile("a", create, 0o600)
		require.Zero(t, errno)
	}
	_, errno := f.OpenFile("a", create, 0o600)
	require.NotZero(t, errno)
	_, errno = f.OpenFile(".", experimentalsys.O_RDONLY, 0)
	require.Zero(t, errno)
	_, errno = f.OpenFile(".", experimentalsys.O_RDONLY, 0)
	require.NotZero(t, errno)
}

// TestLongPaths: each directory that is open would make the paths below it longer.
func TestLongPaths(t *testing.T) {
	t.Parallel()
	f := newFS(t, new(Budget))
	long := strings.Repeat("a/", MaxPath/2) + "a"
	_, errno := f.OpenFile(long, create, 0o600)
	require.Equal(t, experimentalsys.ENAMETOOLONG, errno)
	_, errno = f.Stat(long)
	require.Equal(t, experimentalsys.ENAMETOOLONG, errno)
	_, errno = f.Lstat(long)
	require.Equal(t, experimentalsys.ENAMETOOLONG, errno)
	_, errno = f.Readlink(long)
	require.Equal(t, experimentalsys.ENAMETOOLONG, errno)
	for _, errno := range []experimentalsys.Errno{
		f.Mkdir(long, 0), f.Chmod(long, 0), f.Rename(long, "b"), f.Rename("b", long), f.Rmdir(long), f.Unlink(long), f.Utimens(long, 0, 0),
	} {
		require.Equal(t, experimentalsys.ENAMETOOLONG, errno)
	}
}

// TestPipes: a pipe is refused, even if it takes the place of a file at the last moment.
func TestPipes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer func() { require.NoError(t, root.Close()) }()
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600))
	fsys := New(root, true, &Budget{MaxOpen: 10, MaxDisk: 1 << 20})
	_, errno := fsys.open("pipe", experimentalsys.O_WRONLY, 0, nil)
	require.NotZero(t, errno, "it does not wait for who reads from it")
	file, errno := fsys.open("pipe", experimentalsys.O_RDONLY, 0, nil)
	require.Zero(t, errno, "it does not wait for who writes to it")
	require.NoError(t, file.Close())
}
