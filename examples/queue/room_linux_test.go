package queue

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	queuev1 "github.com/iansmith/parigot/examples/queue/gen/queue/v1"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// TestDrainAFullDisk: when a real disk is full to the last byte, nothing more is sent, all
// that was acknowledged can be received and marked done, and then there is room again.
func TestDrainAFullDisk(t *testing.T) {
	t.Parallel()
	for name, batch := range map[string][]string{
		"large":  {strings.Repeat("x", 100_000)},
		"medium": repeated(10, strings.Repeat("x", 3000)),
		"small":  repeated(100, "small"),
	} {
		for _, reopen := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/reopen=%v", name, reopen), func(t *testing.T) {
				t.Parallel()
				dir, isDisk := smallDisk(t)
				b := setup(t, func(c *queuev1.QueueConfig) { c.Database = filepath.Join(dir, "q.db") })
				if !isDisk {
					b.limitFile()
				}
				q := b.createQueue("q")
				open := map[string]bool{}
				send := func() error {
					ids, err := b.send(q, batch...)
					for _, m := range ids {
						open[m.String()] = true
					}
					return err
				}
				fill := func() (err error) {
					for before := len(open); err == nil; err = send() {
						require.Less(t, len(open)-before, 1_000_000, "the disk never fills")
					}
					return err
				}
				err := fill()
				require.ErrorIs(t, err, status.Of(status.ResourceExhausted))
				require.ErrorContains(t, err, "the disk with the host's queues is full")
				full := len(open)
				require.NotZero(t, full)
				if isDisk {
					fillUp(t, filepath.Join(dir, "another program's"))
				}
				require.ErrorIs(t, send(), status.Of(status.ResourceExhausted))
				if reopen && isDisk {
					b.close()
					b.open()
					fillUp(t, filepath.Join(dir, "another program's, again"))
				}
				require.EqualValues(t, full, b.length(q))
				for len(open) > 0 {
					messages := b.mustReceive(q, maxReceive)
					require.NotEmpty(t, messages, "%d of %d are lost", len(open), full)
					var ids []*parigotpb.Id
					for _, m := range messages {
						require.True(t, open[m.GetMsgId().String()], "it comes twice, or was never sent")
						delete(open, m.GetMsgId().String())
						ids = append(ids, m.GetMsgId())
					}
					require.Empty(t, b.markDone(q, ids...))
				}
				require.Zero(t, b.length(q))
				require.NoError(t, send(), "there is room again")
				require.ErrorIs(t, fill(), status.Of(status.ResourceExhausted))
				require.Greater(t, len(open), full/4, "room for many")
			})
		}
	}
}

func repeated(n int, text string) []string {
	return strings.Split(strings.Repeat(text+"\n", n-1)+text, "\n")
}

// smallDisk returns a directory that is a disk of 12 MiB. Only root can make one, so for others
// it is an ordinary directory.
func smallDisk(t *testing.T) (dir string, isDisk bool) {
	t.Helper()
	dir = t.TempDir()
	if os.Getuid() != 0 || syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=12m") != nil {
		return dir, false
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, 0)) })
	return dir, true
}

// fillUp takes all the room that is left on a disk.
func fillUp(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	require.NoError(t, err)
	for page := make([]byte, 4096); err == nil; {
		_, err = f.Write(page)
	}
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.NoError(t, f.Close())
}
