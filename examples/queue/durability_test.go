//go:build !wasip1

package queue

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What makes an acknowledged call survive a power cut, and which test shows it:
//
//  1. SQLite is told to sync its log to the disk at each commit:
//     TestEachCommitIsSynced, on the connection that all calls use.
//  2. It does so, and no call succeeds before: TestNothingSucceedsWithoutSync
//     has the system refuse to sync.
//  3. What a call did is in the log when it returns, and stays true when all that
//     came later is torn or missing: TestTornLog.
//
// That the disk keeps what it says it has synced is for no test to show.

func TestEachCommitIsSynced(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.close()
	b.open()                                                                                 // the second time, when the file is there already
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2"} { // 2 is FULL
		var got string
		require.NoError(t, b.store.read(t.Context(), func(ctx context.Context, _ *Queries) error {
			return b.store.conn.QueryRowContext(ctx, "PRAGMA "+pragma).Scan(&got)
		}))
		require.Equal(t, want, got, pragma)
	}
}

// logFrame is the size of a page in SQLite's log.
const logFrame = 24 + pageSize

// TestTornLog does what a power cut does to SQLite's log: what was written after
// the last sync is missing, or is something else. For each call, the log is cut
// where it ended when the call returned, and at some places up to the end of the
// next call. What the calls did until then is there, and nothing of the next.
func TestTornLog(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	queueID := b.createQueue("work")
	var (
		sizes  []int    // of the log, after each call
		states []string // of the messages
		counts []int    // of deliveries, -1: done
	)
	note := func() {
		info, err := os.Stat(b.config.GetDatabase() + "-wal")
		require.NoError(t, err)
		sizes, states = append(sizes, int(info.Size())), append(states, stateOf(counts))
	}
	note()
	for i := range 3 {
		big := strings.Repeat("x", 9*pageSize*i) // the last ones are beside the database
		b.mustSend(queueID, "a", big, "c", big)
		counts = append(counts, 0, 0, 0, 0)
		note()
		received := b.mustReceive(queueID, 3)
		for j := range received {
			counts[3*i+j]++
		}
		note()
		b.done(queueID, received[:2])
		counts[3*i], counts[3*i+1] = -1, -1
		note()
	}

	whole, err := os.ReadFile(copyDatabase(t, b.config.GetDatabase()) + "-wal")
	require.NoError(t, err)
	require.Len(t, whole, sizes[len(sizes)-1], "nothing else has written")
	for i, state := range states {
		cuts := []int{sizes[i]}
		if i+1 < len(sizes) {
			require.Greater(t, sizes[i+1], sizes[i], "call %d has not written to the log", i+1)
			// In the middle, and in the header of the page that makes it a commit.
			cuts = append(cuts, (sizes[i]+sizes[i+1])/2, sizes[i+1]-logFrame+12)
		}
		for _, cut := range cuts {
			for name, tail := range tails(len(whole) - cut) {
				database := copyDatabase(t, b.config.GetDatabase())
				require.NoError(t, os.WriteFile(database+"-wal", append(whole[:cut:cut], tail...), 0o600))
				require.Equal(t, state, readState(t, database), "after call %d, cut at %d, %s", i, cut, name)
				requireWhole(t, database) // with payloads that are older than what was cut
			}
		}
	}
}

// tails are what n bytes of a file may be that were not synced.
func tails(n int) map[string][]byte {
	random := make([]byte, n)
	_, _ = rand.Read(random) // never fails
	return map[string][]byte{"the rest missing": nil, "the rest random": random, "the rest zero": make([]byte, n)}
}

// stateOf is readState for messages that were received so often, and are in rows
// from 1 on.
func stateOf(counts []int) string {
	var s strings.Builder
	for i, n := range counts {
		if n >= 0 {
			fmt.Fprintf(&s, "%d received %d times\n", i+1, n)
		}
	}
	return s.String()
}

// readState returns which messages are not done, and how often each was received.
func readState(t *testing.T, database string) string {
	t.Helper()
	db := openSQL(t, database)
	defer func() { require.NoError(t, db.Close()) }()
	rows, err := db.Query("SELECT row_id, received_count FROM parigot_test_message ORDER BY row_id")
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	var s strings.Builder
	for rows.Next() {
		var row, n int
		require.NoError(t, rows.Scan(&row, &n))
		fmt.Fprintf(&s, "%d received %d times\n", row, n)
	}
	require.NoError(t, rows.Err())
	return s.String()
}
