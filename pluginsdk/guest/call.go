//go:build wasip1

package guest

import (
	"context"
	"unsafe"

	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/internal/codec"
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

var host = wire{take: hostTake, header: hostHeader, await: hostAwait, cancel: hostCancel, poll: &descriptor{fd: abi.Completions}}

// BlockingMethod is a [Method] with the option may_block: its calls may go on in the host
// while the guest does other things.
type BlockingMethod struct {
	Import Import
	types
}

// reflection is for who does not know: it uses protobuf-go, with messages of any type.
var reflection = types{new(codec.Codec), &codec.Owner{Codec: new(codec.Codec)}}

// Call calls the method with req and decodes the answer into resp, which is empty. It
// sends the deadline and the metadata of ctx along when it has any. Generated clients
// call it.
//
// The call stops all goroutines of the guest until the host returns, and cannot be
// cancelled once the host has it.
//
// Errors are a [status.Status]: the service's own, or the bridge's. A context that has
// ended already gives CANCELLED or DEADLINE_EXCEEDED without a call. req must not change
// during the call.
func (m *Method) Call(ctx context.Context, c Client, req, resp proto.Message) error {
	return host.call(ctx, m, form{receive: c.receive}, req, resp)
}

// CallInto is [Method.Call] with a resp that may have been used before. What it had is
// gone; after a call that failed it is undefined.
func (m *Method) CallInto(ctx context.Context, c Client, req, resp proto.Message) error {
	return host.call(ctx, m, form{receive: c.receive, used: true}, req, resp)
}

func (m *Method) start(ctx context.Context, c Client, req, resp proto.Message) (*pendingCall, error) {
	return nil, m.Call(ctx, c, req, resp)
}

// Call is [Method.Call] for a method that may block: the call stops no goroutine but its
// own, and ends when ctx does; the implementation's context ends then, too.
func (m *BlockingMethod) Call(ctx context.Context, c Client, req, resp proto.Message) error {
	p, err := m.start(ctx, c, req, resp)
	if p == nil {
		return err
	}
	return host.finish(ctx, p)
}

// CallInto is [Method.CallInto] for a method that may block. When it returns because ctx
// has ended, resp may be used again.
func (m *BlockingMethod) CallInto(ctx context.Context, c Client, req, resp proto.Message) error {
	proto.Reset(resp)
	return m.Call(ctx, c, req, resp)
}

func (m *BlockingMethod) start(ctx context.Context, _ Client, req, resp proto.Message) (*pendingCall, error) {
	return host.start(ctx, m.Import, &m.types, req, resp)
}

// starter is a [Method] or a [BlockingMethod].
type starter interface {
	start(ctx context.Context, c Client, req, resp proto.Message) (*pendingCall, error)
}

// Async is Call of a [Method] or [BlockingMethod] that does not wait: the host has the
// request when it returns, so req may change then, and calls are made in the order of the
// program. The future becomes resp or the error; that of a method that cannot block is
// complete at once. Cancelling it cancels the call.
func Async[R proto.Message](ctx context.Context, m starter, c Client, req proto.Message, resp R) *future.Method[R, error] {
	ctx, cancel := context.WithCancel(ctx)
	f := new(future.Method[R, error])
	f.OnCancel(cancel)
	p, err := m.start(ctx, c, req, resp)
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

// Call calls an imported method without a [Method], as code that was generated before
// there was one does. It is [BlockingMethod.Call], and as good for a method that cannot
// block, but slower than [Method.Call].
func Call(ctx context.Context, method Import, req, resp proto.Message) error {
	m := BlockingMethod{Import: method, types: reflection}
	return m.Call(ctx, Client{}, req, resp)
}

// CallAsync is [Async] for such code.
func CallAsync[R proto.Message](ctx context.Context, method Import, req proto.Message, resp R) *future.Method[R, error] {
	return Async(ctx, &BlockingMethod{Import: method, types: reflection}, Client{}, req, resp)
}
