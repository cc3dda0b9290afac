//go:build !wasip1

package queue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/durationpb"

	queuev1 "github.com/iansmith/parigot/examples/queue/gen/queue/v1"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// TestStartErrorsSayWhatToDo: what SQLite says about a start is not enough.
func TestStartErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	hold := func(statements ...string) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			t.Helper()
			db, err := sql.Open("sqlite", path)
			require.NoError(t, err)
			db.SetMaxOpenConns(1)
			t.Cleanup(func() { require.NoError(t, db.Close()) })
			for _, s := range statements {
				_, err = db.ExecContext(t.Context(), s)
				require.NoError(t, err)
			}
		}
	}
	made := "CREATE TABLE t (x)"
	busy := []string{"another program has kept", "locked for longer than busy_timeout (20ms)", "end it, or its transaction, or set a longer busy_timeout"}
	for name, tt := range map[string]struct {
		prepare func(t *testing.T, path string)
		want    []string
		code    status.Code
	}{
		"written to":       {hold("PRAGMA journal_mode = wal", made, "BEGIN IMMEDIATE"), busy, status.Unavailable},
		"locked":           {hold(made, "BEGIN EXCLUSIVE"), busy, status.Unavailable},
		"read in old mode": {hold(made, "BEGIN", "SELECT * FROM t"), busy, status.Unavailable},
		"damaged": {func(t *testing.T, path string) {
			t.Helper()
			db, err := sql.Open("sqlite", path)
			require.NoError(t, err)
			_, err = db.ExecContext(t.Context(), made)
			require.NoError(t, errors.Join(err, db.Close()))
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			require.NoError(t, err)
			_, err = f.WriteAt(slices.Repeat([]byte{0xff}, 3900), 100)
			require.NoError(t, errors.Join(err, f.Close()))
		}, []string{"is damaged: bring it back from a copy"}, status.FailedPrecondition},
		"not a database": {func(t *testing.T, path string) {
			t.Helper()
			require.NoError(t, os.WriteFile(path, make([]byte, 10_000), 0o600))
		}, []string{"is no SQLite database: name another file"}, status.FailedPrecondition},
		"no room beside it": {func(t *testing.T, path string) {
			t.Helper()
			require.NoError(t, os.Mkdir(path+"-shm", 0o700))
		}, []string{"cannot make or open its files", "let the host's user write to it, and to the directory"}, status.FailedPrecondition},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "q.db")
			tt.prepare(t, path)
			s, err := newSettings(&queuev1.QueueConfig{Database: path, BusyTimeout: durationpb.New(20 * time.Millisecond)})
			require.NoError(t, err)
			_, err = openStore(t.Context(), s, nil)
			require.ErrorIs(t, err, status.Of(tt.code))
			for _, want := range append(tt.want, fmt.Sprintf("QueueConfig.database is %q", path)) {
				require.ErrorContains(t, err, want)
			}
		})
	}
}

// TestHostsStartTogether: several hosts may make the same database at the same
// time.
func TestHostsStartTogether(t *testing.T) {
	t.Parallel()
	database := t.TempDir() + "/queues.db"
	s, err := newSettings(&queuev1.QueueConfig{Database: database, MaxReceives: 1, DeadLetterQueue: "dead"})
	require.NoError(t, err)
	var hosts sync.WaitGroup
	for range 8 {
		hosts.Go(func() {
			st, err := openStore(context.Background(), s, nil)
			if err != nil {
				t.Error(err)
				return
			}
			if err := st.close(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	hosts.Wait()
	info, err := os.Stat(database)
	require.NoError(t, err)
	require.EqualValues(t, 0o600, info.Mode().Perm(), "nobody else reads the guests' messages")
}
