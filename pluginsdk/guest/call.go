package guest

import (
	"context"

	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/abi"
)

// host is the host of the guest.
var host = wire{take: hostTake, header: hostHeader, await: hostAwait, cancel: hostCancel, poll: &descriptor{fd: abi.Completions}}

// Call calls an imported method with req and returns the response, a *T, which is what the
// New of m must return. Generated clients call it. It sends the deadline and the metadata of
// ctx along. req must not change during the call.
//
// A method that may block stops no goroutine but that of the call, which ends when ctx does;
// the implementation's context ends then, too. Any other method stops all goroutines of the
// guest until the host returns, and cannot be cancelled once the host has the call.
//
// Errors are a [status.Status]: the service's own, or the bridge's. If ctx has ended
// already, it is CANCELLED or DEADLINE_EXCEEDED without a call.
func Call[T any](ctx context.Context, c Client, m *Method, req proto.Message) (*T, error) {
	resp, err := host.call(ctx, c.borrowed, m, req)
	return (*T)(resp), err
}
