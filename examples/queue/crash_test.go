//go:build !wasip1

package queue

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"errors"
	"flag"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	queuev1 "github.com/iansmith/parigot/examples/queue/gen/queue/v1"
	"github.com/iansmith/parigot/internal/guesttest"
)

var (
	kills = flag.Int("kills", 12, "how often TestCrash kills its host; make soak does it 200 times")
	seed  = flag.Uint64("seed", 0, "what TestCrash chooses its moments by; 0 takes a new one")
)

// crashVisibility is short, so that messages of a host that was killed come back
// in the life of the next.
const crashVisibility = 50 * time.Millisecond

// hangs is when a host, or a guest, is taken to hang. It is far more than they need.
const hangs = 2 * time.Minute

// TestCrash kills a host (SIGKILL) while its guests send and receive, starts it
// again on the same database, and so on. In the end another one empties the
// queue. All that a guest was told remains true:
//
//   - What was sent is received, at least once; of a Send whose answer got lost,
//     all messages are received or none.
//   - What was done is not received again; of a MarkDone whose answer got lost, all
//     messages are, or none.
//   - What was received has its delivery counted.
//   - Nothing is received that was not sent, nor a payload of which a byte is
//     another, whether it was in the database or beside it.
//
// And the database and all payloads are whole after each kill. A kill leaves what the host wrote in
// the memory of the system, so this says nothing about a power cut; see
// durability_test.go.
func TestCrash(t *testing.T) {
	t.Parallel()
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	random := rand.New(rand.NewPCG(*seed, 0)) //nolint:gosec // repeatable on purpose
	t.Logf("to kill at the same moments again: go test ./examples/queue -run '^TestCrash$' -kills %d -seed %d", *kills, *seed)

	b, l, large := setupCrash(t), newLedger(), false
	for round := range *kills {
		moment := momentOf(random)
		b.start("-round", strconv.Itoa(round), "-forget", "10").killAt(l, moment)
		requireWhole(t, copyDatabase(t, b.database))
		large = large || len(segmentsOf(t, b.database)) > 0
	}
	b.start("-round", "end", "-batches", "0").end(l)
	require.NoError(t, l.check())
	requireWhole(t, b.database)
	require.Zero(t, count(t, b.database, "SELECT count(*) FROM parigot_test_message"))

	t.Logf("%d kills, %d lines; messages sent: %d, of these acknowledged: %d; deliveries: %d, of these repeated: %d; done: %d",
		*kills, l.lines, l.texts["sending"], l.texts["sent"], l.texts["received"], l.repeated(), l.texts["done"])
	require.NotZero(t, l.texts["sent"])
	require.True(t, large, "no payload was large")
	require.NotZero(t, l.repeated(), "nothing was left to come back by a host that was killed")
}

// moment says, when a line was printed, whether it is time to kill.
type moment func(line string, l *ledger) bool

// momentOf chooses a moment: while the host starts, or after some calls have
// succeeded. What the host is doing just then is for the scheduler to choose.
func momentOf(random *rand.Rand) moment {
	switch random.IntN(8) {
	case 0:
		return func(line string, _ *ledger) bool { return line == "host opening" }
	case 1:
		return func(line string, _ *ledger) bool { return line == "host open" }
	}
	calls := 1 + random.IntN(250)
	first := -1
	return func(_ string, l *ledger) bool {
		if first < 0 {
			first = l.acknowledged()
		}
		return l.acknowledged()-first >= calls
	}
}

// TestCrashWhileMigrating kills a host that makes the tables, each time when a bit
// more of that has been written. The next one finishes the work.
func TestCrashWhileMigrating(t *testing.T) {
	t.Parallel()
	c, early := setupCrash(t), 0
	kill := func(logged int64) (whole int64) {
		c.database = filepath.Join(t.TempDir(), "queues.db")
		if open := c.start("-producers", "0", "-consumers", "1").killWhenLogHas(logged); !open {
			early++
		}
		info, err := os.Stat(c.database + "-wal")
		require.NoError(t, err)
		requireWhole(t, copyDatabase(t, c.database))
		b := &bundle{t: t, config: &queuev1.QueueConfig{Database: c.database}}
		b.open()
		queueID := b.createQueue("test")
		b.mustSend(queueID, "a")
		require.Equal(t, []string{"a"}, b.receiveTexts(queueID))
		b.close()
		return info.Size()
	}
	whole, times := kill(math.MaxInt64), 8
	for i := range times {
		kill(1 + whole*int64(i)/int64(times))
	}
	t.Logf("%d of %d kills came before the tables were there", early, times)
	require.NotZero(t, early)
}

// crashBundle is a database and what its hosts need.
type crashBundle struct {
	t        *testing.T
	program  string // testdata/testhost
	guest    string // testdata/testguest
	database string
}

func setupCrash(t *testing.T) *crashBundle {
	t.Helper()
	b := &crashBundle{
		t: t, program: filepath.Join(t.TempDir(), "testhost.exe"), // of all systems, one needs the suffix
		guest: guesttest.File(t, "testdata/testguest"), database: filepath.Join(t.TempDir(), "queues.db"),
	}
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", b.program, "./testdata/testhost").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return b
}

// process is a host that runs.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	lines  *bufio.Scanner
	stderr bytes.Buffer
	log    string // SQLite's log of the database
}

// start starts a host on the database.
func (b *crashBundle) start(args ...string) *process {
	b.t.Helper()
	p := &process{t: b.t, log: b.database + "-wal"}
	ctx, cancel := context.WithTimeout(b.t.Context(), hangs)
	b.t.Cleanup(cancel)
	p.cmd = exec.CommandContext(ctx, b.program, append([]string{
		"-database", b.database, "-guest", b.guest, "-cache", guesttest.CacheDir(b.t),
		"-visibility", crashVisibility.String(),
	}, args...)...)
	p.cmd.Stderr = &p.stderr
	stdout, err := p.cmd.StdoutPipe()
	require.NoError(b.t, err)
	p.lines = bufio.NewScanner(stdout)
	require.NoError(b.t, p.cmd.Start())
	return p
}

// killAt kills the host at a moment. What it printed until then counts, also what
// nobody had read yet.
func (p *process) killAt(l *ledger, now moment) {
	p.t.Helper()
	killed := false
	for p.lines.Scan() {
		require.NoError(p.t, l.record(p.lines.Text()))
		if !killed && now(p.lines.Text(), l) {
			require.NoError(p.t, p.cmd.Process.Kill())
			killed = true
		}
	}
	err := p.wait()
	require.True(p.t, killed, "the host ended by itself: %v %s", err, &p.stderr)
}

// killWhenLogHas kills the host when SQLite's log has some bytes, or when the host
// has opened its database, and then returns true.
func (p *process) killWhenLogHas(size int64) (open bool) {
	p.t.Helper()
	isOpen := make(chan bool, 1)
	go func() {
		for p.lines.Scan() {
			if p.lines.Text() == "host open" {
				isOpen <- true
			}
		}
		close(isOpen) // also when the host fails
	}()
	for {
		select {
		case open = <-isOpen:
		default:
			if info, err := os.Stat(p.log); err != nil || info.Size() < size {
				continue
			}
		}
		break
	}
	require.NoError(p.t, p.cmd.Process.Kill())
	for range isOpen { // until the host is gone
		open = true
	}
	_ = p.wait()
	return open
}

// end lets the host come to its own end.
func (p *process) end(l *ledger) {
	p.t.Helper()
	for p.lines.Scan() {
		require.NoError(p.t, l.record(p.lines.Text()))
	}
	require.NoError(p.t, p.wait(), &p.stderr)
}

// wait returns how the host ended. It has nothing to complain about.
func (p *process) wait() error {
	p.t.Helper()
	require.NoError(p.t, p.lines.Err())
	err := p.cmd.Wait()
	require.Empty(p.t, p.stderr.String())
	return err
}

// copyDatabase copies what is in the files of a database and returns where the
// copy is, which has the same payload segments. Its users must not write meanwhile.
// What they share memory for is made anew from the log.
func copyDatabase(t *testing.T, database string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy.db")
	for _, suffix := range []string{"", "-wal"} {
		content, err := os.ReadFile(database + suffix)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(to+suffix, content, 0o600))
	}
	require.NoError(t, os.Symlink(database+payloadDir, to+payloadDir))
	return to
}

// requireWhole has SQLite check all of a database, and reads all payloads.
func requireWhole(t *testing.T, database string) {
	t.Helper()
	db := openSQL(t, database)
	var result string
	require.NoError(t, db.QueryRow("PRAGMA integrity_check").Scan(&result))
	require.Equal(t, "ok", result)
	require.ErrorIs(t, db.QueryRow("PRAGMA foreign_key_check").Scan(&result), sql.ErrNoRows)
	require.NoError(t, db.Close())
	if count(t, database, "SELECT count(*) FROM sqlite_schema WHERE name = 'parigot_test_message_payload'") == 1 {
		_, errs := payloadsOf(t, database)
		require.Empty(t, errs)
	}
}

func count(t *testing.T, database, query string) (n int) {
	t.Helper()
	db := openSQL(t, database)
	require.NoError(t, db.QueryRow(query).Scan(&n))
	require.NoError(t, db.Close())
	return n
}

func openSQL(t *testing.T, database string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", database)
	require.NoError(t, err)
	return db
}
