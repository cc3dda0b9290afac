//go:build !wasip1

package file

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	filev1 "github.com/iansmith/parigot/examples/file/gen/file/v1"
	"github.com/iansmith/parigot/examples/file/gen/file/v1/filev1parigot"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
	"github.com/iansmith/parigot/pluginsdk/status"
)

func TestWriteThenRead(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)

	w := b.mustCreate("dir/sub/a.txt")
	require.NoError(t, b.write(w, "hello "))
	require.NoError(t, b.write(w, ""))
	require.NoError(t, b.write(w, "world"))
	_, err := b.read(w, 1)
	b.requireFailure(err, filev1.FileErr_EOFError) // it reads on where it wrote last
	require.NoError(t, b.close(w))
	require.Equal(t, "hello world", b.content("dir/sub/a.txt"))

	r := b.mustOpen("dir/sub/a.txt")
	for _, want := range []string{"hello", " worl", "d"} {
		got, err := b.read(r, 5)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err = b.read(r, 5)
	b.requireFailure(err, filev1.FileErr_EOFError)
	require.NoError(t, b.close(r))
}

func TestCreateTruncates(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.put("a", "a long content")

	w := b.mustCreate("a")
	require.Empty(t, b.content("a"))
	require.NoError(t, b.write(w, "short"))
	require.Equal(t, "short", b.content("a"))
}

func TestCreatedFilesArePrivate(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.mustCreate("dir/a")

	for name, want := range map[string]os.FileMode{"dir": 0o700 | os.ModeDir, "dir/a": 0o600} {
		info, err := os.Stat(b.hostPath(name))
		require.NoError(t, err)
		require.Equal(t, want, info.Mode(), name)
	}
}

// A response that is empty is told from the end of the file, and a limit of 0
// means as much as is allowed.
func TestReadLimits(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *filev1.FileConfig) { c.MaxIoBytes = 8 })
	b.put("a", "0123456789abcdef--")

	r := b.mustOpen("a")
	_, err := b.read(r, 9)
	b.requireFailure(err, filev1.FileErr_LargeBufError)
	for _, want := range []string{"01234567", "89abcdef", "--"} {
		got, err := b.read(r, 0)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}

	w := b.mustCreate("b")
	require.NoError(t, b.write(w, "12345678"))
	b.requireFailure(b.write(w, "123456789"), filev1.FileErr_LargeBufError)
	require.Equal(t, "12345678", b.content("b"), "a refused write writes nothing")
}

// A limit of 32 MiB on a file of one byte must not cost 32 MiB.
func TestReadAllocatesWhatIsThere(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *filev1.FileConfig) { c.MaxIoBytes = largestMaxIOBytes })
	b.put("a", "x")

	key, err := b.sandbox.open(newCaller("g"), guestRoot+"a")
	require.NoError(t, err)
	f, err := b.sandbox.files.find(key)
	require.NoError(t, err)
	data, err := f.readNext(largestMaxIOBytes)
	require.NoError(t, err)
	require.Equal(t, 1, cap(data))
}

func TestWriteToReaderFails(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.put("a", "content")

	r := b.mustOpen("a")
	b.requireFailure(b.write(r, "x"), filev1.FileErr_WriteError)
	b.requireFailure(b.write(r, ""), filev1.FileErr_WriteError)
	require.Equal(t, "content", b.content("a"))
	require.Empty(t, b.log.String(), "the guest's mistakes do not fill the host's log")
}

func TestUnknownIds(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	closed := b.mustCreate("a")
	require.NoError(t, b.close(closed))

	for name, fileID := range map[string]*parigotpb.Id{
		"none": nil, "zero": {}, "guessed": {High: 1, Low: 2}, "closed": closed,
	} {
		_, err := b.read(fileID, 1)
		b.requireFailure(err, filev1.FileErr_FileClosedError)
		b.requireFailure(b.write(fileID, "x"), filev1.FileErr_FileClosedError)
		b.requireFailure(b.close(fileID), filev1.FileErr_FileClosedError)
		require.Empty(t, b.content("a"), name)
	}
}

func TestInUse(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.put("a", "content")

	readers := []*parigotpb.Id{b.mustOpen("a"), b.mustOpen("a")}
	_, err := b.create("a")
	b.requireFailure(err, filev1.FileErr_AlreadyInUseError)
	b.requireFailure(b.delete("a"), filev1.FileErr_AlreadyInUseError)
	require.Equal(t, "content", b.content("a"), "a refused Create truncates nothing")

	require.NoError(t, b.close(readers[0]))
	_, err = b.create("a")
	b.requireFailure(err, filev1.FileErr_AlreadyInUseError)
	require.NoError(t, b.close(readers[1]))

	w := b.mustCreate("a")
	_, err = b.open("a")
	b.requireFailure(err, filev1.FileErr_AlreadyInUseError)
	_, err = b.create("a")
	b.requireFailure(err, filev1.FileErr_AlreadyInUseError)
	b.requireFailure(b.delete("a"), filev1.FileErr_AlreadyInUseError)
	_, err = b.stat("a")
	require.NoError(t, err, "looking is always allowed")

	require.NoError(t, b.close(w))
	require.NoError(t, b.delete("a"))
}

func TestNothingThere(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.put("file", "")

	for _, name := range []string{"missing", "missing/a", "file/below"} {
		_, err := b.open(name)
		b.requireFailure(err, filev1.FileErr_NotExistError)
		_, err = b.stat(name)
		b.requireFailure(err, filev1.FileErr_NotExistError)
		b.requireFailure(b.delete(name), filev1.FileErr_NotExistError)
	}
}

func TestDirectories(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.put("dir/a", "x")

	_, err := b.open("dir")
	b.requireFailure(err, filev1.FileErr_OpenError)
	_, err = b.create("dir")
	b.requireFailure(err, filev1.FileErr_CreateError)
	require.ErrorContains(t, err, "/parigot/app/dir is a directory")
	_, err = b.create("dir/a/below-a-file")
	b.requireFailure(err, filev1.FileErr_CreateError)
	require.ErrorContains(t, err, "should be a directory is none")

	err = b.delete("dir")
	b.requireFailure(err, filev1.FileErr_DeleteError)
	require.ErrorContains(t, err, "/parigot/app/dir is not empty")
	require.NoError(t, b.delete("dir/a"))
	require.NoError(t, b.delete("dir"))
	require.NoDirExists(t, b.hostPath("dir"))
}

func TestStat(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.put("dir/a", "12345")
	modTime := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	require.NoError(t, os.Chtimes(b.hostPath("dir/a"), modTime, modTime))

	info, err := b.stat("dir/a")
	require.NoError(t, err)
	require.Equal(t, guestRoot+"dir/a", info.GetPath())
	require.EqualValues(t, 5, info.GetSize())
	require.False(t, info.GetIsDir())
	require.True(t, info.GetModTime().AsTime().Equal(modTime))

	info, err = b.stat("dir")
	require.NoError(t, err)
	require.True(t, info.GetIsDir())
	require.Zero(t, info.GetSize())
}

func TestEveryPathIsChecked(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	_, err := b.open("../x")
	b.requireFailure(err, filev1.FileErr_InvalidPathError)
	_, err = b.create("../x")
	b.requireFailure(err, filev1.FileErr_InvalidPathError)
	b.requireFailure(b.delete("../x"), filev1.FileErr_InvalidPathError)
	_, err = b.stat("../x")
	b.requireFailure(err, filev1.FileErr_InvalidPathError)
}

func TestOpenFileLimit(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *filev1.FileConfig) { c.MaxOpenFiles = 2 })
	b.put("a", "")
	first := b.mustOpen("a")
	b.mustCreate("b")

	_, err := b.open("a")
	require.ErrorIs(t, err, status.Of(status.ResourceExhausted))
	_, err = b.create("dir/c")
	require.ErrorIs(t, err, status.Of(status.ResourceExhausted))
	require.NoFileExists(t, b.hostPath("dir/c"))
	require.NoDirExists(t, b.hostPath("dir"), "a refused Create makes nothing")

	_, err = b.sandbox.open(newCaller("another guest"), guestRoot+"a")
	require.NoError(t, err, "each guest has a limit of its own")
	require.NoError(t, b.close(first))
	b.mustOpen("a")
}

func TestHostErrorsStayInTheHost(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	require.NoError(t, os.Symlink(t.TempDir(), b.hostPath("out")))

	_, err := b.open("out/a")
	b.requireFailure(err, filev1.FileErr_OpenError)
	require.ErrorContains(t, err, "the host failed on /parigot/app/out/a")
	require.NotContains(t, err.Error(), "escapes")
	require.Contains(t, b.log.String(), "escapes", "the operator must find the reason")
	require.Contains(t, b.log.String(), "/parigot/app/out/a")
}

func TestZeroPluginIsUnavailable(t *testing.T) {
	t.Parallel()
	b := &bundle{t: t, client: filev1parigot.NewLocalFileClient(&FilePlugin{})}
	_, openErr := b.open("a")
	_, createErr := b.create("a")
	_, readErr := b.read(nil, 0)
	_, statErr := b.stat("a")
	_, loadErr := b.client.LoadTestData(t.Context(), &filev1.LoadTestDataRequest{})
	for _, err := range []error{openErr, createErr, readErr, statErr, loadErr, b.write(nil, ""), b.close(nil), b.delete("a")} {
		require.ErrorIs(t, err, status.Of(status.Unavailable))
	}
}

func TestFileStatus(t *testing.T) {
	t.Parallel()
	require.Equal(t, "open", Fs_Open.String())
	require.Equal(t, "closed", Fs_Close.String())
	require.Equal(t, "FileStatus(7)", FileStatus(7).String())
	require.Equal(t, "f", strings.Split(fileKey{}.id.String(), "-")[0])
}
