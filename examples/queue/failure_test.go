//go:build !wasip1

package queue

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/durationpb"

	queuev1 "github.com/iansmith/parigot/examples/queue/gen/queue/v1"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// TestFullDisk fills a database that may not grow, which SQLite reports as it
// reports a full disk (SQLITE_FULL), and makes room again.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.limitFile()
	q := b.createQueue("q")
	big := strings.Repeat("x", 30_000) // two of them are in their rows
	var acknowledged []*parigotpb.Id
	var err error
	for err == nil {
		require.Less(t, len(acknowledged), 100, "the database never fills")
		var ids []*parigotpb.Id
		ids, err = b.send(q, big, big)
		acknowledged = append(acknowledged, ids...)
	}
	require.ErrorIs(t, err, status.Of(status.ResourceExhausted))
	require.ErrorContains(t, err, "the disk with the host's queues is full: have messages marked done")
	require.EqualValues(t, len(acknowledged), b.length(q), "a Send that fails sends nothing")

	require.Empty(t, b.markDone(q, acknowledged[:4]...))
	b.mustSend(q, big, big)
	require.EqualValues(t, len(acknowledged)-2, b.length(q))
}

// limitFile has SQLite fail when the database would have more than 1 MiB.
func (b *bundle) limitFile() {
	_, err := b.store.conn.ExecContext(b.t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", 1<<20/pageSize))
	require.NoError(b.t, err)
}

// TestFullDatabase: who sends too much is refused, and who receives is not, so
// that there is a way out.
func TestFullDatabase(t *testing.T) {
	t.Parallel()
	for _, keep := range []time.Duration{0, time.Minute} {
		b := setup(t, func(c *queuev1.QueueConfig) {
			c.MaxDatabaseBytes, c.KeepDone = minDatabase, durationpb.New(keep)
		})
		q := b.createQueue("q")
		sent, batch := 0, slices.Repeat([]string{"x"}, 400)
		var err error
		for err == nil {
			var ids []*parigotpb.Id
			ids, err = b.send(q, batch...)
			sent += len(ids)
			require.Less(t, sent, 10_000, "the database never fills")
		}
		require.ErrorIs(t, err, status.Of(status.ResourceExhausted))
		var size int
		require.NoError(t, b.store.conn.QueryRowContext(t.Context(),
			"SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").Scan(&size))
		require.LessOrEqual(t, size, minDatabase)
		require.Greater(t, size, minDatabase/2)

		var received []*queuev1.QueueMsg
		for len(received) < sent {
			some := b.mustReceive(q, maxReceive)
			require.NotEmpty(t, some)
			received = append(received, some...)
		}
		for some := range slices.Chunk(received, maxBatch) {
			b.done(q, some)
		}
		require.Zero(t, b.length(q))
		if keep == 0 {
			b.mustSend(q, batch...)
		}
	}
}

// TestReadOnly takes the right to write from SQLite, and gives it back.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	q := b.createQueue("q")
	b.mustSend(q, "a")
	pragma := func(s string) {
		_, err := b.store.conn.ExecContext(t.Context(), "PRAGMA query_only = "+s)
		require.NoError(t, err)
	}
	pragma("ON")
	_, err := b.send(q, "b")
	b.requireIncident(err)
	_, err = b.receive(q, 1)
	b.requireIncident(err)
	require.EqualValues(t, 1, b.length(q), "what only reads goes on")
	pragma("OFF")
	b.mustSend(q, "b")
	require.Equal(t, []string{"a", "b"}, b.receiveTexts(q))
}

// TestDamagedRow: a message that somebody has damaged keeps nobody from the
// others.
func TestDamagedRow(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	q := b.createQueue("q")
	b.mustSend(q, "a", "b", "c")
	_, err := b.store.conn.ExecContext(t.Context(), "UPDATE parigot_test_message SET payload = x'ff' WHERE row_id = 2")
	require.NoError(t, err)
	require.Equal(t, []string{"a", "c"}, b.receiveTexts(q))
	require.EqualValues(t, 3, b.length(q), "it can be repaired")
}
