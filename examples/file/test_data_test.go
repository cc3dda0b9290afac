//go:build !wasip1

package file

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	filev1 "github.com/iansmith/parigot/examples/file/gen/file/v1"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// setupTestData makes a plugin whose guests may copy the directory that is
// returned, with these files in it.
func setupTestData(t *testing.T, files map[string]string) (*bundle, string) {
	t.Helper()
	source := t.TempDir()
	for name, content := range files {
		putFile(t, filepath.Join(source, filepath.FromSlash(name)), content)
	}
	b := setup(t, func(c *filev1.FileConfig) {
		c.TestDataDirs = []string{source}
		c.MaxOpenFiles = 1
	})
	return b, source
}

func (b *bundle) load(dir, mount string, returnOnFail bool) (*filev1.LoadTestDataResponse, error) {
	return b.client.LoadTestData(b.t.Context(), &filev1.LoadTestDataRequest{
		DirPath: dir, MountLocation: guestRoot + mount, ReturnOnFail: returnOnFail,
	})
}

func TestLoadTestData(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("0123456789abcdef", 3*copyChunkBytes/16) + "end"
	b, source := setupTestData(t, map[string]string{"a": "A", "dir/sub/b": "B", "dir/large": large, "none": ""})
	require.NoError(t, os.Mkdir(filepath.Join(source, "empty"), 0o700))
	b.put("mount/a", "an older and longer content")
	b.put("mount/other", "stays")
	b.mustCreate("the one file that this guest may have open")

	resp, err := b.load(source, "mount", true)
	require.NoError(t, err)
	require.EqualValues(t, 4, resp.GetCopied())
	require.Empty(t, resp.GetErrorPath())
	for name, want := range map[string]string{
		"mount/a": "A", "mount/dir/sub/b": "B", "mount/dir/large": large, "mount/none": "", "mount/other": "stays",
	} {
		require.Equal(t, want, b.content(name), name)
	}
	require.DirExists(t, b.hostPath("mount/empty"))
	require.Len(t, b.sandbox.files.files, 1, "what was copied is closed")
}

func TestLoadTestDataIsListed(t *testing.T) {
	t.Parallel()
	b, source := setupTestData(t, map[string]string{"dir/a": ""})
	for _, dir := range []string{"", "/", "/etc", t.TempDir(), source + "/", source + "/dir", source + "/../" + filepath.Base(source), b.root} {
		_, err := b.load(dir, "mount", false)
		require.ErrorIs(t, err, status.Of(status.PermissionDenied), dir)
	}
	require.NoDirExists(t, b.hostPath("mount"))

	none := setup(t, nil)
	_, err := none.load(source, "mount", false)
	require.ErrorIs(t, err, status.Of(status.PermissionDenied), "nothing is listed unless the configuration does")
}

func TestLoadTestDataFailures(t *testing.T) {
	t.Parallel()
	b, source := setupTestData(t, nil)
	_, err := b.load(source, "mount", false)
	b.requireFailure(err, filev1.FileErr_NoDataFoundError)
	require.NoError(t, os.MkdirAll(filepath.Join(source, "only/directories"), 0o700))
	_, err = b.load(source, "mount", false)
	b.requireFailure(err, filev1.FileErr_NoDataFoundError)

	putFile(t, filepath.Join(source, "a"), "")
	_, err = b.load(source, "../mount", false)
	b.requireFailure(err, filev1.FileErr_InvalidPathError)
	b.put("file", "")
	_, err = b.load(source, "file", false)
	b.requireFailure(err, filev1.FileErr_CreateError)

	require.NoError(t, os.RemoveAll(source))
	_, err = b.load(source, "mount", false)
	b.requireFailure(err, filev1.FileErr_NoDataFoundError)
}

// What cannot be copied is reported, and the rest is copied all the same.
func TestLoadTestDataReportsFiles(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("d/", 17) + "too-deep"
	b, source := setupTestData(t, map[string]string{
		"a": "A", "z": "Z", "has*star": "", "semi;dir/a": "", "busy": "new", deep: "",
	})
	secret := filepath.Join(t.TempDir(), "secret")
	putFile(t, secret, "secret")
	require.NoError(t, os.Symlink(secret, filepath.Join(source, "link-out")))
	require.NoError(t, os.Symlink("a", filepath.Join(source, "link-in")))
	require.NoError(t, os.Symlink(filepath.Dir(secret), filepath.Join(source, "link-dir")))
	b.put("mount/busy", "old")
	b.mustOpen("mount/busy")

	resp, err := b.load(source, "mount", false)
	require.NoError(t, err)
	require.EqualValues(t, 2, resp.GetCopied())
	require.Equal(t, []string{
		"busy", deep, "has*star", "link-dir", "link-in", "link-out", "semi;dir",
	}, resp.GetErrorPath())
	require.Equal(t, "old", b.content("mount/busy"))
	require.Equal(t, "Z", b.content("mount/z"))
	for _, name := range []string{"has*star", "link-out", "link-in", "link-dir", "semi;dir"} {
		_, err := os.Lstat(b.hostPath("mount/" + name))
		require.ErrorIs(t, err, os.ErrNotExist, name)
	}
}

func TestLoadTestDataReturnsOnFail(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]filev1.FileErr{
		"m*star": filev1.FileErr_InvalidPathError,
		"mbusy":  filev1.FileErr_AlreadyInUseError,
		"mdir":   filev1.FileErr_CreateError,
	} {
		b, source := setupTestData(t, map[string]string{"a": "A", name: "", "z": "Z"})
		b.put("mount/mdir/below", "")
		b.put("mount/mbusy", "")
		b.mustOpen("mount/mbusy")

		_, err := b.load(source, "mount", true)
		b.requireFailure(err, want)
		require.NotContains(t, err.Error(), source)
		require.Equal(t, "A", b.content("mount/a"))
		require.NoFileExists(t, b.hostPath("mount/z"), "it stops at the first failure")
	}
}

// A file of the source that has a second name below the root must not be emptied
// by being copied onto itself.
func TestLoadTestDataOntoItself(t *testing.T) {
	t.Parallel()
	b, source := setupTestData(t, map[string]string{"a": "precious"})
	require.NoError(t, os.Mkdir(b.hostPath("mount"), 0o700))
	require.NoError(t, os.Link(filepath.Join(source, "a"), b.hostPath("mount/a")))

	_, err := b.load(source, "mount", true)
	b.requireFailure(err, filev1.FileErr_AlreadyInUseError)
	require.Equal(t, "precious", b.content("mount/a"))
	require.Empty(t, b.sandbox.files.files)
}

// endingContext is cancelled at the nth look at it.
type endingContext struct {
	context.Context
	looks int
}

func (c *endingContext) Err() error {
	c.looks--
	if c.looks < 0 {
		return context.Canceled
	}
	return nil
}

func TestLoadTestDataHeedsItsContext(t *testing.T) {
	t.Parallel()
	b, source := setupTestData(t, map[string]string{"a": "A", "b": strings.Repeat("B", 3*copyChunkBytes)})
	for looks := range 20 {
		ctx := &endingContext{Context: t.Context(), looks: looks}
		done, err := b.sandbox.loadTestData(ctx, newCaller("g"), &filev1.LoadTestDataRequest{
			DirPath: source, MountLocation: guestRoot + "mount",
		})
		if err == nil {
			require.EqualValues(t, 2, done.copied)
			require.Greater(t, looks, 5, "a copy of several chunks looks more than once for each file")
			return
		}
		require.ErrorIs(t, err, context.Canceled)
		require.Empty(t, b.sandbox.files.files)
		if info, err := os.Stat(b.hostPath("mount/b")); err == nil {
			require.EqualValues(t, 3*copyChunkBytes, info.Size(), "no half of a file stays")
		}
	}
	t.Fatal("the copy looks at its context for ever")
}

// Directories without a file take time, too.
func TestLoadTestDataHeedsItsContextInDirectories(t *testing.T) {
	t.Parallel()
	b, source := setupTestData(t, nil)
	require.NoError(t, os.MkdirAll(filepath.Join(source, "a/b/c"), 0o700))
	ctx := &endingContext{Context: t.Context(), looks: 2}
	_, err := b.sandbox.loadTestData(ctx, newCaller("g"), &filev1.LoadTestDataRequest{
		DirPath: source, MountLocation: guestRoot + "mount",
	})
	require.ErrorIs(t, err, context.Canceled)
	require.NoDirExists(t, b.hostPath("mount/a/b/c"))
}
