//go:build wasip1

package guest

import (
	"context"
	"unsafe"

	"google.golang.org/protobuf/proto"
)

//go:wasmimport parigot take
//go:noescape
func hostTake(ptr unsafe.Pointer, size uint32) int64

//go:wasmimport parigot header
//go:noescape
func hostHeader(ptr unsafe.Pointer, size uint32)

var host = wire{take: hostTake, header: hostHeader}

// Call calls an imported method with req and decodes the answer into resp, which
// is empty. Generated clients call it. It sends the deadline and the metadata of
// ctx along when it has any. A call cannot be cancelled once the host has
// it, and stops all goroutines of the guest until the host returns.
//
// Errors are a [status.Status]: the service's own, or the bridge's. A context
// that has ended already gives CANCELLED or DEADLINE_EXCEEDED without a call. Safe
// for concurrent use; req must not change during the call.
func Call(ctx context.Context, method Import, req, resp proto.Message) error {
	return host.call(ctx, method, req, resp)
}
