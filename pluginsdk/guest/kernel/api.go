package kernel

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"sync"

	"github.com/iansmith/parigot/pluginsdk/guest"
	"github.com/iansmith/parigot/pluginsdk/status"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

// The one runtime of the guest. It is made by its first use, and nothing refers to it
// before: a guest that neither serves nor locates must not import the kernel, which
// its host may not have.
var (
	once    sync.Once
	running *runtime
)

// hostNext makes a call of the kernel's Next.
func hostNext(req []byte, r *guest.Receiver, left func()) ([]byte, error) {
	return guest.Exchange(importNext, req, r, left)
}

func self() *runtime {
	once.Do(func() {
		calling := callStats{ended: guest.Ended, awaitEnd: guest.AwaitEnd, goroutines: guest.Goroutines}
		running = newRuntime(hostKernel(), calling, os.Stderr)
	})
	return running
}

// Serve serves s to the other guests of the engine: it registers, binds and exports
// the service, waits until the services in requires have started, which are full
// names, and starts it. Generated code calls it.
//
// It returns when
//
//   - all guests were asked to end, and this one has no calls left, neither to answer
//     nor to wait for: with nil, or an [ExitError] when the exit code is not 0;
//   - ctx ends, which the contexts of the calls that it serves do then, too: with
//     CANCELLED or DEADLINE_EXCEEDED, once these have returned. The guest has left
//     then, with all that it serves, and cannot serve again;
//   - it fails: FAILED_PRECONDITION when the implementation is nil, ALREADY_EXISTS when
//     the guest serves it already, and errors of the kernel, such as
//     ServiceAlreadyClosedOrExported when guests of another name serve it,
//     DependencyCycle, or RunTimeout when what it requires did not start.
//
// An implementation with a method Started(context.Context) has it called once calls
// come. A guest may serve several services, each with a call of Serve on a goroutine of its
// own.
//
// A handler that panics, or returns an error without a code, is INTERNAL for its caller,
// with an incident id; the guest's standard error has what happened under that id, and the
// guest goes on.
func Serve(ctx context.Context, s guest.Service, requires ...string) error {
	return self().serve(ctx, s, hostNext, requires)
}

// Locate finds a service by its full name. methods are the names of its methods,
// which [Call] takes the indexes of. Generated code calls it.
//
// It waits until the service has started, for as long as the kernel's launch timeout:
// then it is RunTimeout. When it is all that the guest does, and the guests that should
// serve wait for this one in the same way, it is DependencyCycle at once. What it found stays good when those who serve end and others
// come, and is cheap to find again. Other errors are those of ctx and of the kernel,
// such as AbortRequest when all guests were asked to end.
//
// While several services are located that are not there, each waits for all of them.
func Locate(ctx context.Context, service string, methods ...string) (*Remote, error) {
	return self().locate(ctx, service, importCall, methods)
}

// Exit asks all guests of the engine to end, this one included, with an exit code from 0 to
// 255. It ends nobody: those who serve are told when their last call is over,
// and calls that are made from now on are UNAVAILABLE. The first who asks sets the code.
//
// Errors are PERMISSION_DENIED when the host does not let this guest end the others, and
// those of the kernel: ExitFailed for another code.
func Exit(ctx context.Context, code int) error {
	r := self()
	_, err := r.asClient(ctx)
	switch {
	case errors.Is(err, status.Of(syscallpb.KernelErr_AbortRequest)):
		return nil // another guest was faster, before this one used the kernel
	case err == nil:
		// The kernel refuses what no int32 holds, as it does any code above 255.
		_, err = r.kernel.Exit(ctx, &syscallpb.ExitRequest{Code: int32(min(max(code, -1), math.MaxInt32)), Everyone: true})
	}
	if err != nil {
		return fmt.Errorf("ask all guests to end: %w", err)
	}
	return nil
}
