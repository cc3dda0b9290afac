package eng

import (
	"context"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/internal/instance"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// await is the import parigot.await: it waits for calls that finish, and delivers
// their results.
func await(ctx context.Context, m api.Module, stack []uint64) {
	limit := time.Duration(stack[0])
	ptr, size := api.DecodeU32(stack[1]), api.DecodeU32(stack[2])
	s := instance.FromContext(ctx)
	if s == nil || s.Calls == nil {
		stack[0] = abi.Result(-int32(status.FailedPrecondition), 0)
		return
	}
	s.Unpark()
	dst, ok := m.Memory().Read(ptr, size)
	switch {
	case !ok || size < abi.RecordSize:
		stack[0] = abi.Result(-int32(status.OutOfRange), 0)
		return
	case s.Calls.Empty() && !s.Calls.Closed(): // in this order: closing empties it
		stack[0] = abi.Result(-int32(status.FailedPrecondition), 0)
		return
	case s.Calls.Closed():
		limit = -1 // the end of ctx is near, and the guest is not to go on without its calls
	}
	var n uint32
	if waitForCalls(ctx, s.Calls, limit, nil) {
		n, s.Parked = s.Calls.Deliver(dst)
	}
	stack[0] = abi.Result(0, n)
}

// cancel is the import parigot.cancel: it ends the context of a call.
func cancel(ctx context.Context, _ api.Module, stack []uint64) {
	s := instance.FromContext(ctx)
	if s == nil || s.Calls == nil || !s.Calls.Cancel(api.DecodeU32(stack[0])) {
		stack[0] = abi.Result(-int32(status.NotFound), 0)
		return
	}
	stack[0] = abi.Result(0, 0)
}

// waitForCalls waits for a finished call, or for wake, and reports whether there is a call.
// It ends the guest when ctx ends, as sleep does.
func waitForCalls(ctx context.Context, calls *instance.Calls, limit time.Duration, wake <-chan struct{}) bool {
	ready, err := calls.Wait(ctx, limit, wake)
	if err != nil {
		endGuest()
	}
	return ready
}
