//go:build !wasip1

package queue_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/iansmith/parigot/examples/queue"
	queuev1 "github.com/iansmith/parigot/examples/queue/gen/queue/v1"
	"github.com/iansmith/parigot/examples/queue/gen/queue/v1/queuev1parigot"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
)

// A program looks at the dead letters of a host that runs.
func ExampleNew() {
	if err := withHost(context.Background(), printDeadLetters); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 1 messages in "dead"
	// "invoice 17", received 3 times
}

// printDeadLetters reads a database and changes nothing. It imports no driver:
// the plugin has brought one.
func printDeadLetters(ctx context.Context, database string) (err error) {
	name := url.URL{Scheme: "file", Opaque: (&url.URL{Path: database}).EscapedPath()}
	db, err := sql.Open("sqlite", name.String()+"?mode=ro&_pragma=busy_timeout(5000)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()

	q := queue.New(db)
	id, key, err := locate(ctx, q, "dead")
	if err != nil {
		return err
	}
	length, err := q.Length(ctx, key)
	if err != nil {
		return err
	}
	fmt.Printf("%d messages in %q\n", length, "dead")
	messages, err := q.RetrieveMessage(ctx, queue.RetrieveMessageParams(id))
	if err != nil {
		return err
	}
	for _, m := range messages {
		encoded, err := queue.ReadPayload(database, m)
		payload, text := new(anypb.Any), new(wrapperspb.StringValue)
		if err := errors.Join(err, proto.Unmarshal(encoded, payload), payload.UnmarshalTo(text)); err != nil {
			return err
		}
		fmt.Printf("%q, received %d times\n", text.GetValue(), m.ReceivedCount.Int64)
	}
	return nil
}

// locate returns a queue's id, and its key in the database.
func locate(ctx context.Context, q *queue.Queries, name string) (id queue.LocateRow, key sql.NullInt64, err error) {
	if id, err = q.Locate(ctx, name); err != nil {
		return id, key, err
	}
	key, err = q.QueueKey(ctx, queue.QueueKeyParams(id))
	return id, key, err
}

// withHost calls do while a host runs on a database that has a dead letter.
func withHost(ctx context.Context, do func(ctx context.Context, database string) error) (err error) {
	dir, err := os.MkdirTemp("", "parigot-queue-example-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	database := filepath.Join(dir, "queues.db")
	host, err := eng.New(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, host.Close(ctx)) }()
	if err := pluginsdk.Start(ctx, host, queue.ParigotInitialize, pluginsdk.WithConfig(&queuev1.QueueConfig{
		Database: database, MaxReceives: 3, DeadLetterQueue: "dead",
	})); err != nil {
		return err
	}
	if err := putDeadLetter(ctx, database, "invoice 17"); err != nil {
		return err
	}
	return do(ctx, database)
}

// putDeadLetter does what a host does with a message that was received three
// times.
func putDeadLetter(ctx context.Context, database, text string) (err error) {
	payload, err := anypb.New(wrapperspb.String(text))
	if err != nil {
		return err
	}
	encoded, err := proto.Marshal(payload)
	if err != nil {
		return err
	}
	db, err := sql.Open("sqlite", database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	q := queue.New(db)
	_, key, err := locate(ctx, q, "dead")
	if err != nil {
		return err
	}
	message := queuev1parigot.NewQueueMsgId()
	m, err := q.CreateMessage(ctx, queue.CreateMessageParams{
		IDLow:    sql.NullInt64{Int64: int64(message.Low()), Valid: true},
		IDHigh:   sql.NullInt64{Int64: int64(message.High()), Valid: true},
		QueueKey: key, Payload: encoded,
	})
	for i := 0; i < 3 && err == nil; i++ {
		err = q.UpdateMessageRetrieved(ctx, queue.UpdateMessageRetrievedParams{
			QueueKey: m.QueueKey, IDLow: m.IDLow, IDHigh: m.IDHigh,
		})
	}
	return err
}
