//go:build !wasip1

package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	filev1 "github.com/iansmith/parigot/examples/file/gen/file/v1"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/status"
)

func TestIdsOfAnotherGuestAreUnknown(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	alice, bob := newCaller("alice"), newCaller("bob")
	key, err := b.sandbox.create(alice, guestRoot+"secret")
	require.NoError(t, err)
	require.NoError(t, b.sandbox.write(alice, key, []byte("secret")))

	stolen := fileKey{owner: bob.ID, id: key.id}
	_, err = b.sandbox.read(bob, stolen, 1)
	b.requireFailure(err, filev1.FileErr_FileClosedError)
	_, unknown := b.sandbox.read(bob, fileKey{owner: bob.ID}, 1)
	require.Equal(t, unknown, err, "even that the id exists is not told")
	b.requireFailure(b.sandbox.write(bob, stolen, []byte("x")), filev1.FileErr_FileClosedError)
	b.requireFailure(b.sandbox.closeFile(bob, stolen), filev1.FileErr_FileClosedError)
	require.NoError(t, b.sandbox.write(alice, key, []byte("!")))
	require.Equal(t, "secret!", b.content("secret"))
}

func TestGuestExitClosesItsFiles(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.put("shared", "")
	alice, bob := newCaller("alice"), newCaller("bob")
	_, err := b.sandbox.create(alice, guestRoot+"a")
	require.NoError(t, err)
	aliceKey, err := b.sandbox.open(alice, guestRoot+"shared")
	require.NoError(t, err)
	bobKey, err := b.sandbox.open(bob, guestRoot+"shared")
	require.NoError(t, err)
	aliceFile, err := b.sandbox.files.find(aliceKey)
	require.NoError(t, err)

	b.sandbox.closeGuest(t.Context(), alice)

	require.Equal(t, Fs_Close, aliceFile.status)
	require.ErrorIs(t, aliceFile.file.Close(), os.ErrClosed)
	require.Len(t, b.sandbox.files.files, 1)
	require.Len(t, b.sandbox.files.count, 1, "nothing is kept of a guest that ended")
	require.NoError(t, b.sandbox.closeFile(bob, bobKey))
	_, err = b.sandbox.create(bob, guestRoot+"a")
	require.NoError(t, err)
}

func TestCloseEndsEverything(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *filev1.FileConfig) { c.TestDataDirs = []string{t.TempDir()} })
	w := b.mustCreate("a")
	require.NoError(t, b.sandbox.close(context.Background()))

	require.Empty(t, b.sandbox.files.files)
	_, err := b.sandbox.root.Stat("a")
	require.ErrorIs(t, err, os.ErrClosed, "the root is held no longer")
	b.requireFailure(b.write(w, "x"), filev1.FileErr_FileClosedError)

	_, openErr := b.open("a")
	_, createErr := b.create("b")
	_, statErr := b.stat("a")
	_, loadErr := b.client.LoadTestData(t.Context(), &filev1.LoadTestDataRequest{
		DirPath: b.sandbox.testDataDirs[0], MountLocation: guestRoot + "m",
	})
	for _, err := range []error{openErr, createErr, statErr, loadErr, b.delete("a")} {
		require.ErrorIs(t, err, status.Of(status.Unavailable))
	}
	require.NoError(t, b.sandbox.close(context.Background()), "closing again does nothing")
}

// Guests that all do the same at once: each keeps its own bytes, one at a time
// writes the shared file, and nothing is left open.
func TestManyGuestsAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	const guests, rounds = 8, 40
	var group sync.WaitGroup
	for g := range guests {
		group.Go(func() {
			for round := range rounds {
				if err := playRound(b.sandbox, fmt.Sprint("guest", g), round); err != nil {
					t.Errorf("guest %d, round %d: %v", g, round, err)
					return
				}
			}
		})
	}
	group.Wait()
	require.Empty(t, b.sandbox.files.files)
	require.Empty(t, b.sandbox.files.count)
}

// playRound is the life of one guest instance.
func playRound(s *sandbox, name string, round int) error {
	caller := newCaller(name)
	defer s.closeGuest(context.Background(), caller)
	own, text := guestRoot+"own/"+name, fmt.Sprint(name, " in round ", round)
	if err := writeFile(s, caller, own, text); err != nil {
		return err
	}
	got, err := readFile(s, caller, own)
	if err != nil {
		return err
	}
	if got != text {
		return fmt.Errorf("read %q, want %q", got, text)
	}
	err = writeFile(s, caller, guestRoot+"shared", text)
	if errors.Is(err, status.Of(filev1.FileErr_AlreadyInUseError)) {
		return nil
	}
	return err
}

// writeFile writes a file and leaves it open.
func writeFile(s *sandbox, caller eng.Caller, guestPath, text string) error {
	key, err := s.create(caller, guestPath)
	if err != nil {
		return err
	}
	if err := s.write(caller, key, []byte(text)); err != nil {
		return err
	}
	if guestPath == guestRoot+"shared" {
		return nil
	}
	return s.closeFile(caller, key)
}

// readFile reads a whole file and leaves it open.
func readFile(s *sandbox, caller eng.Caller, guestPath string) (string, error) {
	key, err := s.open(caller, guestPath)
	if err != nil {
		return "", err
	}
	data, err := s.read(caller, key, 0)
	return string(data), err
}

// Calls on one open file at the same time take turns: no byte is lost or read
// twice. They go to the file itself, as the table's lock would put some order
// into them.
func TestOneFileManyCalls(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	const callers, rounds, digits = 4, 100, "0123456789"
	caller := newCaller("g")
	key, err := b.sandbox.create(caller, guestRoot+"a")
	require.NoError(t, err)
	w, err := b.sandbox.files.find(key)
	require.NoError(t, err)
	atOnce(callers, rounds, func() {
		if err := w.writeNext([]byte(digits)); err != nil {
			t.Errorf("write: %v", err)
		}
	})
	require.Equal(t, strings.Repeat(digits, callers*rounds), b.content("a"))
	require.NoError(t, b.sandbox.closeFile(caller, key))

	key, err = b.sandbox.open(caller, guestRoot+"a")
	require.NoError(t, err)
	r, err := b.sandbox.files.find(key)
	require.NoError(t, err)
	atOnce(callers, rounds, func() {
		if data, err := r.readNext(uint32(len(digits))); err != nil || string(data) != digits {
			t.Errorf("read %q: %v", data, err)
		}
	})
	_, err = r.readNext(1)
	require.ErrorIs(t, err, io.EOF)
}

// atOnce calls fn rounds times in each of n goroutines.
func atOnce(n, rounds int, fn func()) {
	var group sync.WaitGroup
	for range n {
		group.Go(func() {
			for range rounds {
				fn()
			}
		})
	}
	group.Wait()
}

func TestConcurrentCloses(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	for range 50 {
		w := b.mustCreate("a")
		var closed atomic.Int32
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				err := b.close(w)
				if err == nil {
					closed.Add(1)
				} else if !errors.Is(err, errFileClosed()) {
					t.Errorf("close: %v", err)
				}
			})
			group.Go(func() {
				if err := b.write(w, "x"); err != nil && !errors.Is(err, errFileClosed()) {
					t.Errorf("write: %v", err)
				}
			})
		}
		group.Wait()
		require.EqualValues(t, 1, closed.Load(), "one of the calls closes the file")
	}
}

// Whoever has a file open finds it at its path: no Delete slips in between an
// Open or a Create and its entry in the table.
func TestOpenFilesAreNotDeleted(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	const path = guestRoot + "a"
	stop := make(chan struct{})
	var deleting, using sync.WaitGroup
	deleting.Go(func() {
		for caller := newCaller("deleter"); ; {
			_ = b.sandbox.remove(caller, path) // may succeed, may be refused
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	for _, use := range []func(eng.Caller, string) (fileKey, error){b.sandbox.create, b.sandbox.open} {
		using.Go(func() {
			caller := newCaller("user")
			for range 3000 {
				key, err := use(caller, path)
				if err != nil {
					continue // the other user has it, or it is not there
				}
				if _, err := b.sandbox.stat(caller, path); err != nil {
					t.Errorf("an open file was deleted: %v", err)
				}
				if err := b.sandbox.closeFile(caller, key); err != nil {
					t.Errorf("close: %v", err)
				}
			}
		})
	}
	using.Wait()
	close(stop)
	deleting.Wait()
}
