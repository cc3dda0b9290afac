package queue

import (
	"context"
	"flag"
	"log/slog"
	"os"
	"os/exec"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	queuev1 "github.com/iansmith/parigot/examples/queue/gen/queue/v1"
	"github.com/iansmith/parigot/examples/queue/gen/queue/v1/queuev1parigot"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
)

var withoutSync = flag.Bool("without-sync", false, "what TestNothingSucceedsWithoutSync starts itself with")

// TestNothingSucceedsWithoutSync: when the system refuses to sync files, every call
// that changes something fails. So none succeeds before its sync has. A process
// cannot be given back what it is refused, so the test is one of its own.
func TestNothingSucceedsWithoutSync(t *testing.T) {
	if *withoutSync {
		testWithoutSync(t)
		return
	}
	t.Parallel()
	program, err := os.Executable()
	require.NoError(t, err)
	out, err := exec.CommandContext(t.Context(), program, "-test.run", "^"+t.Name()+"$", "-without-sync").CombinedOutput()
	require.NoError(t, err, "%s", out)
}

func testWithoutSync(t *testing.T) {
	t.Helper()
	s, err := newSettings(&queuev1.QueueConfig{Database: t.TempDir() + "/queues.db"})
	require.NoError(t, err)
	st, err := openStore(t.Context(), s, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	b := &bundle{t: t, store: st, client: queuev1parigot.NewLocalQueueClient(&QueuePlugin{store: st})}
	queueID := b.createQueue("work")
	b.mustSend(queueID, "a", "b")
	received := b.mustReceive(queueID, 1)[0]

	require.NoError(t, refuseSync(), "this system has no seccomp filters for programs")
	for range 2 { // a failure changes nothing for the next call
		_, err = b.send(queueID, "c")
		b.requireIncident(err)
		_, err = b.receive(queueID, 1)
		b.requireIncident(err)
		_, err = b.client.MarkDone(t.Context(), &queuev1.MarkDoneRequest{Id: queueID, MsgId: []*parigotpb.Id{received.GetMsgId()}})
		b.requireIncident(err)
		_, err = b.client.CreateQueue(t.Context(), &queuev1.CreateQueueRequest{QueueName: "other"})
		b.requireIncident(err)
		b.requireIncident(b.deleteQueue(queueID))
		require.EqualValues(t, 2, b.length(queueID))
	}
	_ = st.close(context.Background()) // may fail: it syncs
}

// refuseSync has all further attempts of this process to sync a file fail with EIO.
func refuseSync() error {
	const (
		load      = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		jumpEqual = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		ret       = unix.BPF_RET | unix.BPF_K
	)
	program := []unix.SockFilter{
		{Code: load, K: 0}, // the number of the system call
		{Code: jumpEqual, K: unix.SYS_FSYNC, Jt: 2},
		{Code: jumpEqual, K: unix.SYS_FDATASYNC, Jt: 1},
		{Code: ret, K: unix.SECCOMP_RET_ALLOW},
		{Code: ret, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EIO)},
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	filter := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&filter)))
	if errno != 0 {
		return errno
	}
	return nil
}
