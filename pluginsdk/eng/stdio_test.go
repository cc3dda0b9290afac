//go:build unix

package eng_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// newPipe returns a pipe as a shell makes it: one whose ends block.
func newPipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	var fds [2]int
	require.NoError(t, unix.Pipe(fds[:]))
	r, w = os.NewFile(uintptr(fds[0]), "reader"), os.NewFile(uintptr(fds[1]), "writer")
	t.Cleanup(func() { _, _ = r.Close(), w.Close() })
	return r, w
}

// control calls f with the descriptor of a file, and does not change how the file is used.
func control(t *testing.T, file *os.File, f func(fd int)) {
	t.Helper()
	c, err := file.SyscallConn()
	require.NoError(t, err)
	require.NoError(t, c.Control(func(fd uintptr) { f(int(fd)) }))
}

// awaitFull waits until no byte fits into a pipe any more, or over is closed.
func awaitFull(w syscall.RawConn, over <-chan struct{}) {
	_ = w.Control(func(fd uintptr) { // an error is one of the test that looks at what comes of it
		for {
			select {
			case <-over:
				return
			default:
				runtime.Gosched()
			}
			if n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, 0); n == 0 && err == nil {
				return
			}
		}
	})
}

// runLines has a guest with calls that may block write to stdout, and returns what it says of
// its writes.
func runLines(ctx context.Context, t *testing.T, n int, stdout io.Writer) (said string, err error) {
	t.Helper()
	var stderr bytes.Buffer
	_, err = setupOverlap(t).guest.Run(ctx, eng.WithArgs("lines", strconv.Itoa(n)), eng.WithStdout(stdout), eng.WithStderr(&stderr))
	return stderr.String(), err
}

// TestPipeGetsAllLines: a slow reader of a pipe gets all that a guest writes, also if somebody
// else has made the pipe non-blocking; a guest cannot make it so.
func TestPipeGetsAllLines(t *testing.T) {
	t.Parallel()
	const n = 50_000
	for _, nonblocking := range []bool{false, true} {
		r, w := newPipe(t)
		control(t, w, func(fd int) { require.NoError(t, unix.SetNonblock(fd, nonblocking)) })
		read := make(chan int, 1)
		over := make(chan struct{})
		conn, err := w.SyscallConn()
		require.NoError(t, err)
		go func() {
			awaitFull(conn, over)
			all, _ := io.ReadAll(r)
			read <- bytes.Count(all, []byte("\n"))
		}()
		said, err := runLines(t.Context(), t, n, w)
		close(over)
		control(t, w, func(fd int) {
			flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
			require.NoError(t, err)
			require.Equal(t, nonblocking, flags&unix.O_NONBLOCK != 0)
		})
		require.NoError(t, errors.Join(err, w.Close()))
		require.Equal(t, "0 failed: <nil>\n", said)
		require.Equal(t, n, <-read)
	}
}

// TestStuckPipeLetsGuestsStop: a guest is stopped that writes to a pipe that nobody reads, or
// reads one that nobody writes to.
func TestStuckPipeLetsGuestsStop(t *testing.T) {
	t.Parallel()
	r, w := newPipe(t)
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	conn, err := w.SyscallConn()
	require.NoError(t, err)
	go func() {
		awaitFull(conn, over)
		cancel()
	}()
	_, err = runLines(ctx, t, 1_000_000, w)
	close(over)
	require.ErrorIs(t, err, status.Of(status.Cancelled))
	require.NoError(t, r.Close()) // ends the write that was left alone

	stdin, toStdin := newPipe(t)
	guest := setupOverlap(t).guest
	ctx, cancel = context.WithCancel(t.Context())
	ended := make(chan error, 1)
	out := &firstWrite{done: make(chan struct{})}
	go func() {
		_, err := guest.Run(ctx, eng.WithArgs("cat"), eng.WithStdin(stdin), eng.WithStdout(out))
		ended <- err
	}()
	_, err = toStdin.WriteString("hello")
	require.NoError(t, err)
	<-out.done
	cancel()
	require.ErrorIs(t, <-ended, status.Of(status.Cancelled))
	require.Equal(t, "hello", out.text.String())
	require.NoError(t, toStdin.Close()) // ends the read that was left alone
}

// firstWrite keeps what is written, and tells when something is.
type firstWrite struct {
	text bytes.Buffer
	done chan struct{}
}

func (w *firstWrite) Write(p []byte) (int, error) {
	if w.text.Len() == 0 {
		defer close(w.done)
	}
	return w.text.Write(p)
}

// TestBrokenPipeIsAnErrno: a write that fails is an error that the guest sees.
func TestBrokenPipeIsAnErrno(t *testing.T) {
	t.Parallel()
	r, w := newPipe(t)
	require.NoError(t, r.Close())
	said, err := runLines(t.Context(), t, 3, w)
	require.NoError(t, err)
	require.Equal(t, "3 failed: write /dev/stdout: I/O error\n", said)
}
