//go:build !wasip1

package queue

import (
	"database/sql"
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	queuev1 "github.com/iansmith/parigot/examples/queue/gen/queue/v1"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/plugintest"
	"github.com/iansmith/parigot/pluginsdk/status"
)

func start(t *testing.T, host *eng.Host, config proto.Message) error {
	t.Helper()
	return pluginsdk.Start(t.Context(), host, ParigotInitialize, pluginsdk.WithConfig(config))
}

func TestInitExplainsItsFailures(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	require.NoError(t, os.WriteFile(text, make([]byte, 10_000), 0o600))
	newer := filepath.Join(dir, "newer")
	other := openOther(t, newer)
	_, err := other.ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)")
	require.NoError(t, err)
	memory := func(change func(*queuev1.QueueConfig)) *queuev1.QueueConfig {
		c := &queuev1.QueueConfig{Database: inMemory}
		change(c)
		return c
	}
	for name, c := range map[string]struct {
		config proto.Message
		want   []string
	}{
		"no config":              {nil, []string{"QueueConfig.database is not set", "set it to the file", ":memory:"}},
		"no database":            {&queuev1.QueueConfig{}, []string{"QueueConfig.database is not set"}},
		"no directory":           {&queuev1.QueueConfig{Database: dir + "/no/q.db"}, []string{dir + "/no", "does not exist: make it"}},
		"a directory":            {&queuev1.QueueConfig{Database: dir}, []string{"it is not a file: name another one"}},
		"no database file":       {&queuev1.QueueConfig{Database: text}, []string{text, "it is no SQLite database", "not a database"}},
		"made by a newer plugin": {&queuev1.QueueConfig{Database: newer}, []string{"they have version 99", "use a newer plugin"}},
		"payload":                {memory(func(c *queuev1.QueueConfig) { c.MaxPayloadBytes = math.MaxUint32 }), []string{"max_payload_bytes is 4294967295", "at most 16777216"}},
		"database size":          {memory(func(c *queuev1.QueueConfig) { c.MaxDatabaseBytes = 1 }), []string{"max_database_bytes is 1", "at least"}},
		"dead letters":           {memory(func(c *queuev1.QueueConfig) { c.DeadLetterQueue = "-" }), []string{"dead_letter_queue", "start with an ASCII letter"}},
		"visibility 0":           {memory(func(c *queuev1.QueueConfig) { c.VisibilityTimeout = &durationpb.Duration{} }), []string{"visibility_timeout is 0s", "between 1ms and 12h"}},
		"visibility":             {memory(func(c *queuev1.QueueConfig) { c.VisibilityTimeout = durationpb.New(13 * time.Hour) }), []string{"visibility_timeout is 13h"}},
		"invalid":                {memory(func(c *queuev1.QueueConfig) { c.KeepDone = &durationpb.Duration{Nanos: -1, Seconds: 1} }), []string{"keep_done", "duration"}},
		"negative":               {memory(func(c *queuev1.QueueConfig) { c.KeepDone = durationpb.New(-1) }), []string{"keep_done is -1ns"}},
		"busy for ever":          {memory(func(c *queuev1.QueueConfig) { c.BusyTimeout = durationpb.New(time.Minute) }), []string{"busy_timeout is 1m0s", "between 0s and 9s"}},
		"another type":           {&queuev1.QueueMsg{}, []string{"queue.v1.QueueConfig", "queue.v1.QueueMsg"}},
	} {
		err := start(t, plugintest.Host(t), c.config)
		require.Error(t, err, name)
		for _, want := range c.want {
			require.ErrorContains(t, err, want, name)
		}
	}
}

func TestInitTwice(t *testing.T) {
	t.Parallel()
	host, config := plugintest.Host(t), &queuev1.QueueConfig{Database: inMemory}
	require.NoError(t, start(t, host, config))
	require.ErrorIs(t, start(t, host, config), status.Of(status.AlreadyExists))
}

// TestOddFileNames: what a URL would take for something else is a name.
func TestOddFileNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a b.db", "what?.db", "50%20.db", "#1.db", "ü&mode=ro.db"} {
		path := filepath.Join(t.TempDir(), name)
		b := setup(t, func(c *queuev1.QueueConfig) { c.Database = path })
		b.mustSend(b.createQueue("q"), "a")
		b.close()
		entries, err := os.ReadDir(filepath.Dir(path))
		require.NoError(t, err)
		require.Len(t, entries, 1)
		require.Equal(t, name, entries[0].Name())
	}
}

// TestMigrationsMakeTheSchema: schema.sql, which sqlc reads, is what the
// migrations make.
func TestMigrationsMakeTheSchema(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile("schema.sql")
	require.NoError(t, err)
	bySchema, err := sql.Open("sqlite", inMemory)
	require.NoError(t, err)
	bySchema.SetMaxOpenConns(1)
	_, err = bySchema.ExecContext(t.Context(), string(script))
	require.NoError(t, err)
	byMigrations, err := openDatabase(t.Context(), &settings{database: inMemory})
	require.NoError(t, err)
	require.Equal(t, schemaOf(t, bySchema), schemaOf(t, byMigrations))
	require.NoError(t, errors.Join(bySchema.Close(), byMigrations.Close()))
}

func schemaOf(t *testing.T, db *sql.DB) (statements []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND tbl_name LIKE 'parigot%' ORDER BY name")
	require.NoError(t, err)
	for rows.Next() {
		var s string
		require.NoError(t, rows.Scan(&s))
		statements = append(statements, s)
	}
	require.NoError(t, errors.Join(rows.Err(), rows.Close()))
	require.NotEmpty(t, statements)
	return statements
}
