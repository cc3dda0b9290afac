// Package queue is a plugin that gives guests durable message queues, kept in a
// SQLite database of the host.
//
// A host links it in and starts it with its configuration:
//
//	err := pluginsdk.Start(ctx, engine, queue.ParigotInitialize,
//		pluginsdk.WithConfig(&queuev1.QueueConfig{Database: "/var/lib/guests/queues.db"}))
//
// Its guests call it through queuev1parigot.NewQueueClient. What the calls do and
// which errors they have is written in proto/queue/v1/queue.proto, what the queues
// guarantee in README.md. A plugin is a part of the host, so for guests
// (GOOS=wasip1) this package is empty.
//
// [Queries] are the SQL statements of the plugin, for programs of the host that
// look into a database: [New] makes them for a connection. They are written in
// query.sql and compiled by sqlc. A row's type has a field for each column of
// schema.sql.
package queue
