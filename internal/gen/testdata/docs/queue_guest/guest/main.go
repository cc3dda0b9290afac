//go:build wasip1

package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/iansmith/parigot/internal/gen/testdata/docs/queue/v1/queuev1parigot"
	"github.com/iansmith/parigot/internal/gen/testdata/docs/queue_guest"
	"github.com/iansmith/parigot/pluginsdk/guest/kernel"
)

// main serves queue.v1.Queue to the other guests of the engine, until all
// guests are asked to end.
//
// To serve the host instead, replace both functions of this file by
//
//	func init() { queuev1parigot.RegisterQueue(&queue_guest.QueueImpl{}) }
//
//	func main() {}
//
// and build the guest with -buildmode=c-shared.
func main() {
	exit(queuev1parigot.ServeQueue(context.Background(), &queue_guest.QueueImpl{}))
}

// exit ends the guest if serving failed, or if all guests were asked to end with an exit
// code.
func exit(err error) {
	if e, ok := errors.AsType[*kernel.ExitError](err); ok {
		os.Exit(e.Code)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
