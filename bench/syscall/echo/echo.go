// Package echo is what both sides of the benchmark call: a method that returns its
// request, and a loop around it.
package echo

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Work is what a caller does. It travels as JSON.
type Work struct {
	Callers int           // calls at a time
	Payload int           // bytes in each request and each response
	Time    time.Duration // for how long; each caller does it once even if that is 0
}

// Done is what came of it.
type Done struct {
	Calls int
	CPU   time.Duration // of all processes: since they began, or for this work
}

// Call is one call: it returns what it is given.
type Call func(ctx context.Context, turn int, req *wrapperspb.BytesValue) (*wrapperspb.BytesValue, error)

// Run does the work, and returns how many calls that were.
func (w Work) Run(ctx context.Context, call Call) (calls int, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var group sync.WaitGroup
	var total atomic.Int64
	start := time.Now()
	for caller := range w.Callers {
		group.Go(func() {
			n, err := w.loop(ctx, start, caller, call)
			total.Add(int64(n))
			if err != nil {
				cancel(err)
			}
		})
	}
	group.Wait()
	return int(total.Load()), context.Cause(ctx)
}

func (w Work) loop(ctx context.Context, start time.Time, turn int, call Call) (calls int, err error) {
	req := wrapperspb.Bytes(make([]byte, w.Payload))
	for {
		resp, err := call(ctx, turn+calls, req)
		if err != nil {
			return calls, err
		}
		if n := len(resp.GetValue()); n != w.Payload {
			return calls, fmt.Errorf("%d bytes came back, want %d", n, w.Payload)
		}
		calls++
		if time.Since(start) >= w.Time {
			return calls, nil
		}
	}
}
