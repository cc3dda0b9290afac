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
	"sync"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/iansmith/parigot/pluginsdk/status"
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
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
	db.SetMaxIdleConns(1)
	if err := prepareDatabase(ctx, s, db); err != nil {
		if isFull(err) {
			_ = os.Remove(s.database + spareFile) // for another try
		}
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// checkPlace looks whether a database can be where it is to be. It opens nothing: to close a
// file that SQLite uses in this process would take SQLite's locks away.
func (s *settings) checkPlace() error {
	if s.database == inMemory {
		return nil
	}
	dir := filepath.Dir(s.database)
	parent, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = noDirectory(dir)
	case err == nil && !parent.IsDir():
		err = fmt.Errorf("%q is not a directory: name another file", dir)
	}
	file, fileErr := os.Stat(s.database)
	if err == nil && fileErr == nil && !file.Mode().IsRegular() {
		err = errors.New("it is not a file: name another one")
	}
	if err != nil {
		return s.startError(err)
	}
	return nil
}

func noDirectory(dir string) error {
	return fmt.Errorf("the directory %q does not exist: make it, or name another file", dir)
}

// makingFile is locked while touch has a database's file open. Closing a file drops all POSIX
// locks that the process has on it (fcntl(2)), and SQLite's are such locks.
var makingFile sync.Mutex

// touch makes the file unless it exists, with databasePerm, and follows links, so that what is
// beside the file is found by all. It never opens a file that SQLite may have open in this process.
func (s *settings) touch() error {
	if s.database == inMemory {
		return nil
	}
	makingFile.Lock()
	defer makingFile.Unlock()
	if _, err := os.Stat(s.database); errors.Is(err, fs.ErrNotExist) {
		f, err := os.OpenFile(s.database, os.O_RDWR|os.O_CREATE, databasePerm)
		if errors.Is(err, fs.ErrNotExist) {
			return noDirectory(filepath.Dir(s.database))
		}
		if err != nil {
			return fmt.Errorf("it cannot be made: %w", err)
		}
		if err := f.Close(); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	target, err := filepath.EvalSymlinks(s.database)
	if err != nil {
		return err
	}
	s.database = target
	return nil
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
		return err
	}
	if mode != "wal" && s.database != inMemory {
		return errors.New("its file system cannot share memory between programs: name a file on a local disk")
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
		return fmt.Errorf("bring its tables up to date: %w", err)
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

// startError is the error of a store that cannot be opened: which file it is about, and what to
// do about what SQLite says.
func (s *settings) startError(err error) error {
	code, remedy := status.FailedPrecondition, ""
	sqlite, _ := primaryCode(err)
	switch {
	case isBusy(err):
		code = status.Unavailable
		remedy = fmt.Sprintf("another program has kept it locked for longer than busy_timeout (%v): "+
			"end it, or its transaction, or set a longer busy_timeout (at most %v)", s.busyTimeout, longestBusyTimeout)
	case isFull(err):
		code, remedy = status.ResourceExhausted, "its disk is full: make room on it"
	case sqlite == sqlite3.SQLITE_NOTADB:
		remedy = "it is no SQLite database: name another file"
	case sqlite == sqlite3.SQLITE_CORRUPT:
		remedy = "it is damaged: bring it back from a copy"
	case sqlite == sqlite3.SQLITE_READONLY, sqlite == sqlite3.SQLITE_CANTOPEN, sqlite == sqlite3.SQLITE_PERM:
		remedy = "SQLite cannot make or open its files: let the host's user write to it, and to the directory " + filepath.Dir(s.database)
	case sqlite == sqlite3.SQLITE_IOERR:
		remedy = "its disk cannot be read or written"
	}
	if remedy != "" {
		err = fmt.Errorf("%s: %w", remedy, err)
	}
	return status.Wrap(code, err, fmt.Sprintf("queue: QueueConfig.database is %q", s.database))
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
