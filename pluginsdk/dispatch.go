package pluginsdk

import (
	"context"

	"google.golang.org/protobuf/proto"
)

// Dispatcher calls methods of services that guests serve. A kernel implements it,
// such as the plugin in examples/syscall; the generated New…HostClient makes a typed
// client of it. [WithDispatcher] gets it for an engine:
//
//	var guests pluginsdk.Dispatcher
//	err := pluginsdk.Start(ctx, host, syscall.ParigotInitialize, pluginsdk.WithDispatcher(&guests))
type Dispatcher interface {
	// Dispatch calls a method of a service, such as "Greet" of
	// "greeting.v1.Greeting", with req, and decodes the response into resp, which
	// is empty. It waits until the service has started, and for the result; when
	// ctx ends the call does, too. The guest gets the deadline and the [Metadata]
	// of ctx. Errors are those of the
	// service as they are, and canonical ones: UNAVAILABLE when the guest ended
	// meanwhile, so that it is not known what it did, or all guests were asked to
	// end, UNIMPLEMENTED when those who serve have no such method,
	// RESOURCE_EXHAUSTED beyond a limit, and those of ctx. It is safe for concurrent
	// use; it keeps neither req nor resp when it returns.
	Dispatch(ctx context.Context, service, method string, req, resp proto.Message) error
}
