//go:build !wasip1

package queue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	queuev1 "github.com/iansmith/parigot/examples/queue/gen/queue/v1"
	"github.com/iansmith/parigot/examples/queue/gen/queue/v1/queuev1parigot"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
)

// setupSmall is setup with segments of 16 pages, and payloads in them from 1 KiB on.
func setupSmall(t *testing.T, configure func(*queuev1.QueueConfig)) *bundle {
	t.Helper()
	return setup(t, configure, func(s *settings) { s.minOutside, s.segmentBytes = minLarge, smallSegment })
}

const smallSegment = 16 * pageSize

// largeText returns a text that is not the one of another number.
func largeText(number, bytes int) string {
	s := fmt.Sprintf("%d ", number)
	return strings.Repeat(s, bytes/len(s)+1)[:bytes]
}

func largeTexts(n, bytes int) (texts []string) {
	for i := range n {
		texts = append(texts, largeText(i, bytes))
	}
	return texts
}

// requireTexts compares texts without printing all of them.
func requireTexts(t *testing.T, want, got []string) {
	t.Helper()
	brief := func(texts []string) (b []string) {
		for _, s := range texts {
			b = append(b, fmt.Sprintf("%.8s, %d bytes, %08x", s, len(s), crc32.ChecksumIEEE([]byte(s))))
		}
		return b
	}
	require.Equal(t, brief(want), brief(got))
}

// payloadsOf returns all payloads as a program reads them beside the host.
func payloadsOf(t *testing.T, database string) (texts []string, errs []error) {
	t.Helper()
	db := openSQL(t, database)
	defer func() { require.NoError(t, db.Close()) }()
	rows, err := db.QueryContext(t.Context(), "SELECT payload, row_id, payload_segment, payload_offset, payload_length, payload_checksum "+
		"FROM parigot_test_message ORDER BY row_id")
	require.NoError(t, err)
	defer func() { require.NoError(t, errors.Join(rows.Err(), rows.Close())) }()
	for rows.Next() {
		var m ParigotTestMessage
		require.NoError(t, rows.Scan(&m.Payload, &m.RowID, &m.PayloadSegment, &m.PayloadOffset, &m.PayloadLength, &m.PayloadChecksum))
		encoded, err := ReadPayload(database, m)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		a := new(anypb.Any)
		require.NoError(t, proto.Unmarshal(encoded, a))
		texts = append(texts, textOf(t, &queuev1.QueueMsg{Payload: a}))
	}
	return texts, errs
}

// TestLargePayloads: what is large, and comes with enough, lies beside the database;
// everything arrives as it was sent.
func TestLargePayloads(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	database, q := b.config.GetDatabase(), b.createQueue("q")
	b.mustSend(q, largeTexts(2, 30_000)...)
	require.Empty(t, segmentsOf(t, database), "too few for a second sync")
	sent := append(largeTexts(2, 30_000), "small")
	for i := range 97 {
		sent = append(sent, largeText(i, 1500+i*97))
	}
	b.mustSend(q, sent[2:]...)
	require.Equal(t, map[string]int64{"1": segmentBytes}, segmentsOf(t, database))
	info, err := os.Stat(database + payloadDir)
	require.NoError(t, err)
	require.EqualValues(t, 0o700, info.Mode().Perm())
	require.Equal(t, 3, count(t, database, "SELECT count(*) FROM parigot_test_message WHERE length(payload) > 0 AND payload_segment IS NULL"))
	require.Equal(t, 97, count(t, database, "SELECT count(*) FROM parigot_test_message WHERE length(payload) = 0 AND payload_segment = 1"))
	read, errs := payloadsOf(t, database)
	require.Empty(t, errs)
	requireTexts(t, sent, read)

	b.close()
	b.open()
	requireTexts(t, sent, b.receiveTexts(q))
}

// TestMemoryHasNoFiles: what is in memory is all there.
func TestMemoryHasNoFiles(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *queuev1.QueueConfig) { c.Database = inMemory }, func(s *settings) { s.minOutside = minLarge })
	sent := largeTexts(3, 50_000)
	q := b.createQueue("q")
	b.mustSend(q, sent...)
	requireTexts(t, sent, b.receiveTexts(q))
	require.NoFileExists(t, inMemory+payloadDir)
}

// TestNoCommitBeforePayloadsAreSynced: a Send whose payloads cannot be synced does
// nothing, and those that share its transaction are done.
func TestNoCommitBeforePayloadsAreSynced(t *testing.T) {
	t.Parallel()
	b := setupSmall(t, nil)
	q := b.createQueue("q")
	whole := b.store.segments.sync
	for _, alone := range []bool{true, false} {
		b.store.segments.sync = func(*os.File) error { return errors.New("the disk is bad") }
		resume := b.stall()
		jobs := []*job{{do: b.insertion(q, largeText(1, 5000))}}
		if !alone {
			jobs = append(jobs, &job{do: b.insertion(q, "small")})
		}
		for _, j := range slices.Backward(jobs) {
			j.result = make(chan error, 1)
			b.store.jobs <- j
		}
		resume()
		require.ErrorContains(t, <-jobs[0].result, "the disk is bad")
		if !alone {
			require.NoError(t, <-jobs[1].result)
		}
	}
	_, err := b.send(q, largeText(1, 5000))
	b.requireIncident(err)
	require.EqualValues(t, 1, b.length(q))
	b.store.segments.sync = whole
	b.mustSend(q, largeText(2, 5000))
	requireTexts(t, []string{"small", largeText(2, 5000)}, b.receiveTexts(q))
}

// TestNothingIsOverwrittenBeforeTheCommit: messages that a transaction marks done
// are there again when it comes to nothing, with their payloads, whatever else was
// sent in it.
func TestNothingIsOverwrittenBeforeTheCommit(t *testing.T) {
	t.Parallel()
	b := setupSmall(t, nil)
	q := b.createQueue("q")
	b.mustSend(q, largeTexts(2, 20_000)...)
	received := b.mustReceive(q, 2)
	resume := b.stall()
	noCommit := func(ctx context.Context, q *Queries) error {
		require.NoError(t, b.store.exec(ctx, "PRAGMA defer_foreign_keys = ON"))
		_, err := q.CreateMessage(ctx, CreateMessageParams{
			IDLow: bits(1), IDHigh: bits(1), QueueKey: sql.NullInt64{Int64: 99, Valid: true}, Payload: []byte{1},
		})
		return err
	}
	jobs := []*job{
		{do: func(ctx context.Context, queries *Queries) error {
			var ids []queuev1parigot.QueueMsgId
			for _, m := range received {
				ids = append(ids, queuev1parigot.QueueMsgIdFromProto(m.GetMsgId()))
			}
			unmodified, err := b.store.finish(ctx, queries, queuev1parigot.QueueIdFromProto(q), ids)
			require.Empty(t, unmodified)
			return err
		}},
		{do: b.insertion(q, largeText(8, 20_000))},
		{do: b.insertion(q, largeText(9, 40_000))},
		{do: noCommit},
	}
	for _, j := range jobs {
		j.result = make(chan error, 1)
		b.store.jobs <- j
	}
	resume()
	for _, j := range jobs {
		require.ErrorContains(t, <-j.result, "FOREIGN KEY")
	}
	texts, errs := payloadsOf(t, b.config.GetDatabase())
	require.Empty(t, errs)
	requireTexts(t, largeTexts(2, 20_000), texts)

	// The same, and it is committed.
	b.done(q, received)
	b.mustSend(q, largeText(8, 20_000))
	requireTexts(t, []string{largeText(8, 20_000)}, b.receiveTexts(q))
	require.Zero(t, count(t, b.config.GetDatabase(), "SELECT payload_offset FROM parigot_test_message"), "from the beginning again")
}

// TestSendsOfATransactionLieApart: Sends that share a transaction do not get the same
// place.
func TestSendsOfATransactionLieApart(t *testing.T) {
	t.Parallel()
	b := setupSmall(t, nil)
	q := b.createQueue("q")
	texts := largeTexts(30, 20_000)
	resume := b.stall()
	var jobs []*job
	for _, s := range texts {
		j := &job{do: b.insertion(q, s), result: make(chan error, 1)}
		jobs = append(jobs, j)
		b.store.jobs <- j
	}
	resume()
	for _, j := range jobs {
		require.NoError(t, <-j.result)
	}
	requireTexts(t, texts, b.receiveTexts(q))
	require.Len(t, segmentsOf(t, b.config.GetDatabase()), 10)
}

// TestDamagedPayload: a payload that is not what was sent is never delivered, and
// keeps nobody from other messages.
func TestDamagedPayload(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(segment, database string) error{
		"a byte": func(segment, _ string) error {
			f, err := os.OpenFile(segment, os.O_RDWR, 0)
			if err == nil {
				_, err = f.WriteAt([]byte{0}, 5000+2500)
			}
			return errors.Join(err, f.Close())
		},
		"a page of zeros": func(segment, _ string) error {
			return errors.Join(os.Truncate(segment, pageSize), os.Truncate(segment, smallSegment))
		},
		"too short":          func(segment, _ string) error { return os.Truncate(segment, 9000) },
		"missing":            func(segment, _ string) error { return os.Remove(segment) },
		"another checksum":   update("payload_checksum = payload_checksum + 1"),
		"another length":     update("payload_length = payload_length - 1"),
		"a length like none": update("payload_length = 1 << 62"),
		"less than nothing":  update("payload_length = -1"),
		"another place":      update("payload_offset = payload_offset + 1"),
		"a place like none":  update("payload_offset = (1 << 62) + ((1 << 62) - 1)"),
		"before the file":    update("payload_offset = -1"),
		"another segment":    update("payload_segment = 7"),
		"no segment":         update("payload_segment = -7"),
		"nothing known":      update("payload_offset = NULL, payload_length = NULL, payload_checksum = NULL"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setupSmall(t, nil)
			q, alone := b.createQueue("q"), b.createQueue("alone")
			b.mustSend(q, largeTexts(2, 5000)...) // the second one will suffer
			b.mustSend(q, "small")
			require.NoError(t, damage(b.config.GetDatabase()+payloadDir+"/1", b.config.GetDatabase()))
			texts := b.receiveTexts(q)
			require.Equal(t, "small", texts[len(texts)-1][:5])
			for _, s := range texts[:len(texts)-1] {
				requireTexts(t, []string{largeText(0, 5000)}, []string{s})
			}
			_, err := b.store.conn.ExecContext(t.Context(), "UPDATE parigot_test_message SET queue_key = 2, visible_at = 0 WHERE row_id = 2")
			require.NoError(t, err)
			_, err = b.receive(alone, 100)
			b.requireIncident(err)
			require.EqualValues(t, 1, b.length(alone), "it can be repaired")
			_, errs := payloadsOf(t, b.config.GetDatabase())
			require.NotEmpty(t, errs)
			require.ErrorIs(t, errs[len(errs)-1], errDamaged)
		})
	}
}

// update returns a damage to the second row.
func update(set string) func(_, database string) error {
	return func(_, database string) error {
		db, err := sql.Open("sqlite", database)
		if err == nil {
			_, err = db.Exec("UPDATE parigot_test_message SET " + set + " WHERE row_id = 2")
		}
		return errors.Join(err, db.Close())
	}
}

// TestPayloadsCannotBeWritten: a directory that refuses is the host's affair, and
// what needs none goes on.
func TestPayloadsCannotBeWritten(t *testing.T) {
	t.Parallel()
	b := setupSmall(t, nil)
	q := b.createQueue("q")
	dir := b.config.GetDatabase() + payloadDir
	require.NoError(t, os.WriteFile(dir, nil, 0o600)) // a file, as root may write to any directory
	_, err := b.send(q, largeText(1, 5000))
	b.requireIncident(err)
	b.mustSend(q, "small")
	require.NoError(t, os.Remove(dir))
	b.mustSend(q, largeText(1, 5000))
	requireTexts(t, []string{"small", largeText(1, 5000)}, b.receiveTexts(q))
}

// TestPayloadsFollowLinks: whoever opens a database by a link uses the same segments.
func TestPayloadsFollowLinks(t *testing.T) {
	t.Parallel()
	b := setupSmall(t, nil)
	q := b.createQueue("q")
	b.mustSend(q, largeText(1, 5000))
	link := filepath.Join(t.TempDir(), "link.db")
	require.NoError(t, os.Symlink(b.config.GetDatabase(), link))
	other := &bundle{t: t, config: &queuev1.QueueConfig{Database: link}, change: b.change}
	other.open()
	other.mustSend(q, largeText(2, 5000))
	requireTexts(t, largeTexts(3, 5000)[1:], b.receiveTexts(q))
	texts, errs := payloadsOf(t, link)
	require.Empty(t, errs)
	require.Len(t, texts, 2)
	require.NoFileExists(t, link+payloadDir)
}

// TestDatabaseOfAnOlderPlugin: what was sent before there were segments is
// delivered.
func TestDatabaseOfAnOlderPlugin(t *testing.T) {
	t.Parallel()
	b := &bundle{t: t, config: &queuev1.QueueConfig{Database: filepath.Join(t.TempDir(), "queues.db")}}
	db := openSQL(t, b.config.GetDatabase())
	files, err := fs.Sub(migrationFiles, "migrations")
	require.NoError(t, err)
	migrations, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableGlobalRegistry(true))
	require.NoError(t, err)
	_, err = migrations.UpTo(t.Context(), 1)
	require.NoError(t, err)
	payload, err := proto.Marshal(textPayload(t, largeText(1, 20_000)))
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), "INSERT INTO parigot_test_queue (name) VALUES ('q');"+
		"INSERT INTO parigot_test_queue_id_to_key VALUES (2, 1, 1);"+
		"INSERT INTO parigot_test_message (id_low, id_high, queue_key, original_sent, room, payload)"+
		" VALUES (4, 3, 1, '2026-01-02T15:04:05.000Z', zeroblob(56), ?)", payload)
	require.NoError(t, errors.Join(err, db.Close()))
	b.open()
	q, err := b.locate("q")
	require.NoError(t, err)
	require.True(t, proto.Equal(&parigotpb.Id{High: 1, Low: 2}, q))
	b.mustSend(q, largeTexts(5, 20_000)...)
	requireTexts(t, append([]string{largeText(1, 20_000)}, largeTexts(5, 20_000)...), b.receiveTexts(q))
}

// TestBackup is what the README says about backups: first a copy of the database,
// then one of the payloads. What was not done before the second is whole.
func TestBackup(t *testing.T) {
	t.Parallel()
	b := setupSmall(t, nil)
	q := b.createQueue("q")
	stay, gone := b.createQueue("stay"), b.createQueue("gone")
	b.mustSend(q, "small")
	b.mustSend(stay, largeTexts(3, 9000)...)
	b.mustSend(gone, largeTexts(3, 9000)...)
	copied := filepath.Join(t.TempDir(), "copy.db")
	other := openOther(t, b.config.GetDatabase())
	_, err := other.ExecContext(t.Context(), "VACUUM INTO '"+copied+"'")
	require.NoError(t, err)
	b.done(gone, b.mustReceive(gone, 100))
	for i := range 10 { // over what is done
		b.mustSend(q, largeText(i, 9000))
	}
	require.NoError(t, os.CopyFS(copied+payloadDir, os.DirFS(b.config.GetDatabase()+payloadDir)))
	b.close()
	b.config.Database = copied
	b.open()
	requireTexts(t, []string{"small"}, b.receiveTexts(q))
	requireTexts(t, largeTexts(3, 9000), b.receiveTexts(stay))
	got, err := b.receive(gone, 100) // may come as damaged, but not as something else
	if err != nil {
		b.requireIncident(err)
	}
	for _, m := range got {
		require.Contains(t, largeTexts(3, 9000), textOf(t, m))
	}
}
