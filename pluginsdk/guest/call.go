//go:build wasip1

package guest

import (
	"context"
	"unsafe"

	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/pluginsdk/future"
)

//go:wasmimport parigot take
//go:noescape
func hostTake(ptr unsafe.Pointer, size uint32) int64

//go:wasmimport parigot header
//go:noescape
func hostHeader(ptr unsafe.Pointer, size uint32)

//go:wasmimport parigot await
//go:noescape
func hostAwait(timeoutNs int64, ptr unsafe.Pointer, size uint32) int64

//go:wasmimport parigot cancel
func hostCancel(handle uint32) int64

var host = wire{take: hostTake, header: hostHeader, await: hostAwait, cancel: hostCancel, poll: new(descriptor)}

// Call calls an imported method with req and decodes the answer into resp, which
// is empty. Generated clients call it. It sends the deadline and the metadata of
// ctx along when it has any.
//
// A call of a method that may block stops no goroutine but its own, and ends when
// ctx does; the implementation's context ends then, too. Any other call stops all
// goroutines of the guest until the host returns, and cannot be cancelled once the
// host has it.
//
// Errors are a [status.Status]: the service's own, or the bridge's. A context
// that has ended already gives CANCELLED or DEADLINE_EXCEEDED without a call. Safe
// for concurrent use; req must not change during the call.
func Call(ctx context.Context, method Import, req, resp proto.Message) error {
	p, err := host.start(ctx, method, req, resp)
	if p == nil {
		return err
	}
	return host.finish(ctx, p)
}

// CallAsync is [Call] that does not wait: the host has the request when it returns,
// so req may change then, and calls are made in the order of the program. The future
// becomes resp or the error; that of a method that cannot block is complete at once.
// Cancelling it cancels the call.
func CallAsync[R proto.Message](ctx context.Context, method Import, req proto.Message, resp R) *future.Method[R, error] {
	ctx, cancel := context.WithCancel(ctx)
	f := new(future.Method[R, error])
	f.OnCancel(cancel)
	p, err := host.start(ctx, method, req, resp)
	if p == nil {
		cancel()
		future.Settle(f, resp, err)
		return f
	}
	go func() {
		defer cancel()
		err := host.finish(ctx, p)
		future.Settle(f, resp, err)
	}()
	return f
}
