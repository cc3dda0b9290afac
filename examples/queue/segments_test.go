//go:build !wasip1

package queue

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	queuev1 "github.com/iansmith/parigot/examples/queue/gen/queue/v1"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// segmentsOf returns the names and sizes of the segments.
func segmentsOf(t *testing.T, database string) map[string]int64 {
	t.Helper()
	files, err := os.ReadDir(database + payloadDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	require.NoError(t, err)
	sizes := map[string]int64{}
	for _, f := range files {
		info, err := f.Info()
		require.NoError(t, err)
		require.EqualValues(t, 0o600, info.Mode().Perm(), "nobody else reads the guests' messages")
		sizes[f.Name()] = info.Size()
	}
	return sizes
}

// TestSegmentsAreUsedAgain: what is done makes room, also for another host, and the
// next start gives the room back.
func TestSegmentsAreUsedAgain(t *testing.T) {
	t.Parallel()
	b := setupSmall(t, nil)
	other := &bundle{t: t, config: b.config, change: b.change}
	other.open()
	q := b.createQueue("q")
	b.mustSend(q, "small") // stays
	for i := range 20 {
		texts := largeTexts(5, 15_000+i)
		b.mustSend(q, texts[:2]...)
		other.mustSend(q, texts[2:4]...)
		b.mustSend(q, texts[4:]...)
		received := other.mustReceive(q, 100)
		if i == 0 {
			received = received[1:]
		}
		for j, m := range received {
			require.Equal(t, texts[j], textOf(t, m))
		}
		b.done(q, received)
		require.LessOrEqual(t, len(segmentsOf(t, b.config.GetDatabase())), 2)
	}
	b.mustSend(q, strings.Repeat("x", 3*smallSegment)) // gets one of its own size
	require.Len(t, segmentsOf(t, b.config.GetDatabase()), 3)
	b.close()
	other.close()
	b.open()
	sizes := segmentsOf(t, b.config.GetDatabase())
	require.Len(t, sizes, 1, "of the others all messages are done")
	require.Greater(t, sizes["3"], int64(3*smallSegment))
	require.Equal(t, strings.Repeat("x", 3*smallSegment), textOf(t, b.mustReceive(q, 100)[0]))
}

// TestMissingSegment: a database that was moved without its payloads is found out
// at once, and not one message at a time.
func TestMissingSegment(t *testing.T) {
	t.Parallel()
	b := setupSmall(t, nil)
	q := b.createQueue("q")
	b.mustSend(q, "small")
	b.mustSend(q, largeText(1, 5000))
	b.close()
	dir := b.config.GetDatabase() + payloadDir
	require.NoError(t, os.Rename(dir, dir+".away"))
	s, err := newSettings(b.config)
	require.NoError(t, err)
	_, err = openStore(t.Context(), s, nil)
	require.ErrorContains(t, err, "belong together")
	_, advice, _ := strings.Cut(err.Error(), "give these messages up with ")
	require.NoError(t, os.Rename(dir+".away", dir))
	b.open()
	b.close()
	require.NoError(t, os.RemoveAll(dir))
	db := openSQL(t, b.config.GetDatabase())
	_, err = db.ExecContext(t.Context(), advice)
	require.NoError(t, errors.Join(err, db.Close()))
	b.open()
	requireTexts(t, []string{"small"}, b.receiveTexts(q))
}

// TestFullSegments: max_database_bytes is about the database and the segments
// together, and neither keeps from the other what it does not need.
func TestFullSegments(t *testing.T) {
	t.Parallel()
	const limit = 10 * smallSegment
	b := setupSmall(t, func(c *queuev1.QueueConfig) { c.MaxDatabaseBytes = limit })
	q := b.createQueue("q")
	fill := func(texts ...string) (sent int) {
		for {
			ids, err := b.send(q, texts...)
			if err != nil {
				require.ErrorIs(t, err, status.Of(status.ResourceExhausted))
				return sent
			}
			sent += len(ids)
			require.Less(t, sent, 10_000, "it never fills")
			size, err := os.Stat(b.config.GetDatabase())
			require.NoError(t, err)
			total := size.Size()
			for _, n := range segmentsOf(t, b.config.GetDatabase()) {
				total += n
			}
			require.LessOrEqual(t, total, int64(limit))
		}
	}
	drain := func(sent int) {
		for sent > 0 {
			received := b.mustReceive(q, maxReceive)
			require.NotEmpty(t, received)
			b.done(q, received)
			sent -= len(received)
		}
	}
	large, small := largeTexts(2, 10_000), slices.Repeat([]string{"x"}, 50)
	for range 2 {
		n := fill(large...)
		require.Greater(t, n*10_000, limit*6/10)
		drain(n)
		n = fill(small...)
		require.Greater(t, n*rowBytes, limit*6/10, "what segments had")
		drain(n)
	}
}

// TestNoRoomForASegment: where there is no room for a whole segment, there may be
// for the messages.
func TestNoRoomForASegment(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *queuev1.QueueConfig) { c.MaxDatabaseBytes = 4 << 20 })
	q := b.createQueue("q")
	sent := largeTexts(10, 50_000)
	b.mustSend(q, sent...)
	require.Empty(t, segmentsOf(t, b.config.GetDatabase()))
	requireTexts(t, sent, b.receiveTexts(q))
}

// TestOtherFilesAmongSegments: what is not the plugin's is left alone.
func TestOtherFilesAmongSegments(t *testing.T) {
	t.Parallel()
	b := setupSmall(t, nil)
	q := b.createQueue("q")
	b.mustSend(q, largeText(1, 5000))
	dir := b.config.GetDatabase() + payloadDir
	require.NoError(t, os.WriteFile(filepath.Join(dir, "notes"), []byte("of the host"), 0o600))
	b.close()
	b.open()
	requireTexts(t, []string{largeText(1, 5000)}, b.receiveTexts(q))
	require.FileExists(t, filepath.Join(dir, "notes"))
}
