package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"maragu.dev/goqite"
	_ "modernc.org/sqlite" // the driver of the plugin

	"github.com/iansmith/parigot/bench/queue/load"
)

// goqiteQueue is goqite with its schema_sqlite.sql, which its users copy.
type goqiteQueue struct{ schema string }

// findGoqite reads the schema where the go command keeps the module.
func findGoqite(ctx context.Context) (*goqiteQueue, error) {
	list := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "maragu.dev/goqite")
	list.Stderr = os.Stderr
	dir, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	schema, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "schema_sqlite.sql"))
	return &goqiteQueue{string(schema)}, err
}

// open returns clients of goqite. It has one connection, as in its
// documentation, and the settings of the plugin's.
func (g *goqiteQueue) open(ctx context.Context, dir string, clients int) (*contest, error) {
	settings := url.Values{"_txlock": {"immediate"}, "_pragma": {
		"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)", "temp_store(MEMORY)", "cache_size(-16384)",
	}}
	db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(filepath.Join(dir, "goqite.db"))+"?"+settings.Encode())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	db.SetMaxIdleConns(1)
	if _, err := db.ExecContext(ctx, g.schema); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	q := goqite.New(goqite.NewOpts{DB: db, Name: load.QueueName})
	c := &contest{close: func(context.Context) error { return db.Close() }}
	for range clients {
		c.clients = append(c.clients, func(ctx context.Context, w load.Work) (int, error) {
			body := make([]byte, w.Payload)
			if w.Batch == 1 {
				return w.Run(ctx, &goqiteSingle{q, body})
			}
			return w.Run(ctx, &goqiteBatch{db, q, body, w.Batch})
		})
	}
	return c, nil
}

// goqiteSingle has a transaction for each step of a message.
type goqiteSingle struct {
	*goqite.Queue
	body []byte
}

func (g *goqiteSingle) Send(ctx context.Context) error {
	return g.Queue.Send(ctx, goqite.Message{Body: g.body})
}

func (g *goqiteSingle) Receive(ctx context.Context) error {
	m, err := g.Queue.Receive(ctx)
	if err := check(m, err, g.body); err != nil {
		return err
	}
	return g.Delete(ctx, m.ID)
}

// goqiteBatch has a transaction for each step of a batch: what somebody can write
// who manages the transactions.
type goqiteBatch struct {
	db *sql.DB
	*goqite.Queue
	body  []byte
	batch int
}

func (g *goqiteBatch) Send(ctx context.Context) error {
	return g.transaction(ctx, func(tx *sql.Tx, _ int) error {
		return g.SendTx(ctx, tx, goqite.Message{Body: g.body})
	})
}

func (g *goqiteBatch) Receive(ctx context.Context) error {
	received := make([]goqite.ID, g.batch)
	err := g.transaction(ctx, func(tx *sql.Tx, i int) error {
		m, err := g.ReceiveTx(ctx, tx)
		if err := check(m, err, g.body); err != nil {
			return err
		}
		received[i] = m.ID
		return nil
	})
	if err != nil {
		return err
	}
	return g.transaction(ctx, func(tx *sql.Tx, i int) error { return g.DeleteTx(ctx, tx, received[i]) })
}

func (g *goqiteBatch) transaction(ctx context.Context, do func(tx *sql.Tx, i int) error) error {
	tx, err := g.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	for i := range g.batch {
		if err := do(tx, i); err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	return tx.Commit()
}

// check checks what was received.
func check(m *goqite.Message, err error, body []byte) error {
	switch {
	case err != nil:
		return err
	case m == nil:
		return errors.New("goqite: no message came")
	case len(m.Body) != len(body):
		return fmt.Errorf("goqite: a message has %d bytes, want %d", len(m.Body), len(body))
	}
	return nil
}
