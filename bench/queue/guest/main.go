//go:build wasip1

// Guest loads a queue from a guest: one client of the benchmark. It is a library,
// so that it has started when the clock starts.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/iansmith/parigot/bench/queue/load"
	queuev1 "github.com/iansmith/parigot/examples/queue/gen/queue/v1"
	"github.com/iansmith/parigot/examples/queue/gen/queue/v1/queuev1parigot"
)

// run does the work and returns how many messages that were, or -1.
//
//go:wasmexport run
func run(cycle, batch, payload int32, nanoseconds int64) int64 {
	w := load.Work{Cycle: cycle != 0, Batch: int(batch), Payload: int(payload), Time: time.Duration(nanoseconds)}
	n, err := do(context.Background(), w)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return -1
	}
	return int64(n)
}

func do(ctx context.Context, w load.Work) (int, error) {
	client := queuev1parigot.NewQueueClient()
	located, err := client.Locate(ctx, &queuev1.LocateRequest{QueueName: load.QueueName})
	if err != nil {
		return 0, err
	}
	q, err := w.Through(client, located.GetId())
	if err != nil {
		return 0, err
	}
	return w.Run(ctx, q)
}

func main() {}
