//go:build !wasip1

package queue

import (
	"context"
	"fmt"
	"slices"
)

// group are jobs that share a transaction.
type group struct {
	jobs    []*job
	results []error
}

// grows reports whether one of the jobs does.
func (g *group) grows() bool {
	return slices.ContainsFunc(g.jobs, func(j *job) bool { return j.grows })
}

// acknowledge tells the callers. Without a commit nothing is true that any of
// them found.
func (g *group) acknowledge(commit error) {
	for i, j := range g.jobs {
		if commit != nil {
			j.result <- commit
		} else {
			j.result <- g.results[i]
		}
	}
}

// nested runs a job so that it alone is undone if it fails. If that cannot be
// done the transaction is lost, and err says why: SQLite undoes all of it on a
// full disk, and for a job that only reads when the disk cannot be read. What
// came after that would be a transaction of its own.
func (st *store) nested(ctx context.Context, j *job) (result, err error) {
	if err := st.exec(ctx, "SAVEPOINT job"); err != nil {
		return nil, err
	}
	if result = j.run(ctx, st.q); isFull(result) {
		return result, result // the jobs are done again
	} else if result != nil {
		if err := st.exec(ctx, "ROLLBACK TO job"); err != nil {
			return result, fmt.Errorf("undo a job that failed (%v): %w", result, err) //nolint:errorlint // its code is for its own caller
		}
	}
	return result, st.exec(ctx, "RELEASE job")
}

// begin starts a transaction that no other writer can get in the way of.
func (st *store) begin(ctx context.Context) error {
	if st.segments != nil {
		st.segments.begin()
	}
	err := st.exec(ctx, "BEGIN IMMEDIATE")
	if err == nil || isBusy(err) {
		return err
	}
	// A transaction that could not be undone may be what is in the way.
	st.rollback(ctx)
	return st.exec(ctx, "BEGIN IMMEDIATE")
}

// rollback undoes a transaction. SQLite may have done it, which is an error
// here; if it cannot be done, begin finds that out.
func (st *store) rollback(ctx context.Context) { _ = st.exec(ctx, "ROLLBACK") }

func (st *store) exec(ctx context.Context, statement string) error {
	_, err := st.conn.ExecContext(ctx, statement)
	return err
}
