package pluginsdk

import (
	"context"

	"google.golang.org/protobuf/proto"
)

// Dispatcher calls methods of services that guests serve. A kernel implements it,
// such as the plugin in examples/syscall; the generated New…HostClient makes a typed
// client of it.
type Dispatcher interface {
	// Dispatch calls a method of a service, such as "Greet" of
	// "greeting.v1.Greeting", with req, and decodes the response into resp, which
	// is empty. It waits until the service has started, and for the result; when
	// ctx ends the call does, too. Errors are those of the service, and those of
	// the kernel when nobody serves it. It is safe for concurrent use; it keeps
	// neither req nor resp when it returns.
	Dispatch(ctx context.Context, service, method string, req, resp proto.Message) error
}
