//go:build unix

package file

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	filev1 "github.com/iansmith/parigot/examples/file/gen/file/v1"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// Guests cannot make links. These tests play an operator, or another program,
// that left some in the directory.

func TestSymlinksDoNotLeaveTheRoot(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	outside := t.TempDir()
	putFile(t, filepath.Join(outside, "secret"), "secret")
	b.put("dir/a", "")
	relative, err := filepath.Rel(b.root, outside)
	require.NoError(t, err)
	for name, target := range map[string]string{
		"absolute":      filepath.Join(outside, "secret"),
		"relative":      filepath.Join(relative, "secret"),
		"dir/relative":  filepath.Join("..", relative, "secret"),
		"absolute-dir":  outside,
		"relative-dir":  relative,
		"first":         "second", // a chain of links
		"second":        filepath.Join(outside, "secret"),
		"absolute-self": filepath.Join(b.root, "dir", "a"), // absolute: never followed
	} {
		require.NoError(t, os.Symlink(target, b.hostPath(name)))
	}

	for _, name := range []string{
		"absolute", "relative", "dir/relative", "absolute-dir/secret", "relative-dir/secret", "first", "absolute-self",
	} {
		_, err := b.open(name)
		b.requireFailure(err, filev1.FileErr_OpenError)
		_, err = b.stat(name)
		b.requireFailure(err, filev1.FileErr_OpenError)
		_, err = b.create(name)
		b.requireFailure(err, filev1.FileErr_CreateError)
		b.requireFailure(b.delete(name), filev1.FileErr_DeleteError)
	}
	_, err = b.create("absolute-dir/new/file")
	b.requireFailure(err, filev1.FileErr_CreateError)

	entries, err := os.ReadDir(outside)
	require.NoError(t, err)
	require.Len(t, entries, 1)
	data, err := os.ReadFile(filepath.Join(outside, "secret"))
	require.NoError(t, err)
	require.Equal(t, "secret", string(data))
}

func TestSymlinksInsideTheRoot(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.put("dir/a", "content")
	require.NoError(t, os.Symlink("dir/a", b.hostPath("link")))
	require.NoError(t, os.Symlink("dir", b.hostPath("dirlink")))
	require.NoError(t, os.Symlink("nowhere", b.hostPath("dangling")))

	r := b.mustOpen("link")
	got, err := b.read(r, 0)
	require.NoError(t, err)
	require.Equal(t, "content", got)
	for _, name := range []string{"dir/a", "link", "dirlink/a"} {
		_, err = b.create(name)
		b.requireFailure(err, filev1.FileErr_AlreadyInUseError)
		b.requireFailure(b.delete(name), filev1.FileErr_AlreadyInUseError)
	}
	require.Equal(t, "content", b.content("dir/a"))
	require.NoError(t, b.close(r))

	b.mustCreate("dirlink/new/b")
	require.FileExists(t, b.hostPath("dir/new/b"))
	_, err = b.open("dangling")
	b.requireFailure(err, filev1.FileErr_NotExistError)
	require.NoError(t, b.delete("link"))
	require.FileExists(t, b.hostPath("dir/a"), "the link goes, what it points to stays")
}

func TestHardLinksAreOneFile(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.put("a", "content")
	require.NoError(t, os.Link(b.hostPath("a"), b.hostPath("b")))

	r := b.mustOpen("a")
	_, err := b.create("b")
	b.requireFailure(err, filev1.FileErr_AlreadyInUseError)
	b.requireFailure(b.delete("b"), filev1.FileErr_AlreadyInUseError)
	require.Equal(t, "content", b.content("b"))
	require.NoError(t, b.close(r))

	b.mustCreate("b")
	_, err = b.open("a")
	b.requireFailure(err, filev1.FileErr_AlreadyInUseError)
}

// A named pipe without a peer blocks whoever opens it. That must not be a host.
func TestOnlyRegularFiles(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	require.NoError(t, syscall.Mkfifo(b.hostPath("pipe"), 0o600))
	listener, err := net.Listen("unix", b.hostPath("socket"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, listener.Close()) })

	for _, name := range []string{"pipe", "socket"} {
		_, err := b.open(name)
		b.requireFailure(err, filev1.FileErr_OpenError)
		_, err = b.create(name)
		b.requireFailure(err, filev1.FileErr_CreateError)
		_, err = b.stat(name)
		b.requireFailure(err, filev1.FileErr_OpenError)
		b.requireFailure(b.delete(name), filev1.FileErr_DeleteError)
	}
	_, err = b.stat("pipe")
	require.ErrorContains(t, err, "/parigot/app/pipe is no regular file")
	require.Empty(t, b.sandbox.files.files)
}

// While guests open dir/a, another program exchanges
// dir for a link that leads outside, as fast as it can.
func TestSwappedDirectoryDoesNotLeaveTheRoot(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	outside := t.TempDir()
	putFile(t, filepath.Join(outside, "a"), "secret")
	b.put("real/a", "public")
	require.NoError(t, os.Symlink(outside, b.hostPath("link")))

	stop := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		for {
			for _, name := range []string{"real", "link"} {
				errIn := os.Rename(b.hostPath(name), b.hostPath("dir"))
				errOut := os.Rename(b.hostPath("dir"), b.hostPath(name))
				if errIn != nil || errOut != nil {
					t.Errorf("exchange %s: %v, %v", name, errIn, errOut)
					return
				}
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	seen := map[string]int{}
	for n := 0; n < 1500 || seen["public"] == 0 || seen["leads outside"] == 0; n++ {
		require.Less(t, n, 1_000_000, "the guest never met both: %v", seen)
		seen[b.openOnce()]++
	}
	close(stop)
	group.Wait()
	require.Zero(t, seen["secret"])
	require.Equal(t, "secret", readOutside(t, outside))
}

// openOnce reads dir/a and says what it got.
func (b *bundle) openOnce() string {
	r, err := b.open("dir/a")
	switch {
	case errors.Is(err, status.Of(filev1.FileErr_NotExistError)):
		return "between two names"
	case errors.Is(err, status.Of(filev1.FileErr_OpenError)):
		return "leads outside"
	case err != nil:
		b.t.Errorf("open: %v", err)
		return "failed"
	}
	got, err := b.read(r, 0)
	require.NoError(b.t, err)
	require.NoError(b.t, b.close(r))
	return got
}

// The same for calls that change something: nothing outside changes.
func TestSwappedDirectoryIsNotWrittenThrough(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	outside := t.TempDir()
	putFile(t, filepath.Join(outside, "a"), "secret")
	require.NoError(t, os.Symlink(outside, b.hostPath("link")))

	stop := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		for {
			// Errors are expected: a guest may have made dir meanwhile.
			_ = os.Rename(b.hostPath("link"), b.hostPath("dir"))
			_ = os.Rename(b.hostPath("dir"), b.hostPath("link"))
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	created := 0
	for range 400 {
		if w, err := b.create("dir/a"); err == nil {
			created++
			require.NoError(t, b.write(w, "overwritten"))
			require.NoError(t, b.close(w))
		}
		_ = b.delete("dir/a")
		_ = b.delete("dir")
	}
	close(stop)
	group.Wait()
	require.Equal(t, "secret", readOutside(t, outside))
	t.Logf("created %d times", created)
}

func readOutside(t *testing.T, outside string) string {
	t.Helper()
	entries, err := os.ReadDir(outside)
	require.NoError(t, err)
	require.Len(t, entries, 1)
	data, err := os.ReadFile(filepath.Join(outside, "a"))
	require.NoError(t, err)
	return string(data)
}
