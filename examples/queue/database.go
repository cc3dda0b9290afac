//go:build !wasip1

package queue

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// databasePerm keeps the guests' messages to the host's user.
const databasePerm = 0o600

//go:embed migrations/*.sql
var migrationFiles embed.FS

// openDatabase opens the database of s, makes it if need be, and brings its
// tables up to date. It has one connection: SQLite takes one writer at a time,
// and a database in memory belongs to a connection.
func openDatabase(ctx context.Context, s *settings) (*sql.DB, error) {
	if err := s.touch(); err != nil {
		return nil, err
	}
	connector, err := sqlite.NewConnector(s.dataSource())
	if err != nil {
		return nil, fmt.Errorf("queue: open %s: %w", s.database, err)
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
	db.SetMaxIdleConns(1)
	if err := prepareDatabase(ctx, s, db); err != nil {
		return nil, errors.Join(fmt.Errorf("queue: %w", err), db.Close())
	}
	return db, nil
}

// touch makes the file, as SQLite would give it to everybody, and says what
// SQLite cannot: why it does not work. It follows links, so that what is beside the
// file is found by all.
func (s *settings) touch() error {
	path := s.database
	if path == inMemory {
		return nil
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, databasePerm)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("queue: QueueConfig.database is %q, and the directory %q does not exist: make it, or name another file",
			path, filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("queue: QueueConfig.database cannot be opened for writing: %w", err)
	}
	if s.database, err = filepath.EvalSymlinks(path); err != nil {
		return errors.Join(fmt.Errorf("queue: QueueConfig.database: %w", err), f.Close())
	}
	return f.Close()
}

// dataSource returns the name that the driver opens, with what every connection
// is set to. Each commit is synced to the disk (synchronous=FULL, see
// https://www.sqlite.org/pragma.html#pragma_synchronous), so that a power cut
// undoes nothing that was acknowledged.
func (s *settings) dataSource() string {
	pragmas := []string{
		fmt.Sprintf("busy_timeout(%d)", s.busyTimeout.Milliseconds()),
		"journal_mode(WAL)",
		"synchronous(FULL)",
		"foreign_keys(ON)",
		"temp_store(MEMORY)",
		fmt.Sprintf("cache_size(-%d)", cacheKiB),
	}
	query := url.Values{"_pragma": pragmas, "_txlock": {"immediate"}, "_dqs": {"0"}}
	name := inMemory
	if s.database != inMemory {
		name = "file:" + (&url.URL{Path: filepath.ToSlash(s.database)}).EscapedPath()
	}
	return name + "?" + query.Encode()
}

// cacheKiB is how much of a database SQLite keeps in memory.
const cacheKiB = 16 << 10

func prepareDatabase(ctx context.Context, s *settings, db *sql.DB) error {
	var mode string
	if err := db.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); err != nil {
		return fmt.Errorf("QueueConfig.database is %q, which SQLite cannot use: %w", s.database, err)
	}
	if mode != "wal" && s.database != inMemory {
		return fmt.Errorf("QueueConfig.database is %q, whose file system cannot share memory between programs: "+
			"name a file on a local disk", s.database)
	}
	// Two hosts may make the tables of one file at the same time. The one
	// that comes second finds them made when it looks again.
	err := migrate(ctx, db)
	for range 2 {
		if err == nil || isBusy(err) || ctx.Err() != nil {
			break
		}
		err = migrate(ctx, db)
	}
	if err != nil {
		return fmt.Errorf("bring the tables of %q up to date: %w", s.database, err)
	}
	return nil
}

func migrate(ctx context.Context, db *sql.DB) error {
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return err
	}
	migrations, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	has, knows, err := migrations.GetVersions(ctx)
	if err != nil {
		return err
	}
	if has > knows {
		return fmt.Errorf("they have version %d, this plugin knows %d: use a newer plugin", has, knows)
	}
	_, err = migrations.Up(ctx)
	return err
}

// primaryCode returns SQLite's result code for err without its details, and
// false when err does not come from SQLite.
func primaryCode(err error) (code int, ok bool) {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return 0, false
	}
	return e.Code() & 0xff, true
}

// isBusy reports whether another program kept the database for too long.
func isBusy(err error) bool {
	code, ok := primaryCode(err)
	return ok && (code == sqlite3.SQLITE_BUSY || code == sqlite3.SQLITE_LOCKED)
}
