package pluginsdk

import (
	"context"

	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/core"
)

// Dispatcher is a way to the guests that serve: give it to the generated constructor of a
// client, such as NewGreetingClient. A kernel implements it, such as the plugin in
// examples/syscall. [WithDispatcher] gets it for an engine:
//
//	var guests pluginsdk.Dispatcher
//	err := pluginsdk.Start(ctx, host, syscall.ParigotInitialize, pluginsdk.WithDispatcher(&guests))
//	greeting := greetingv1parigot.NewGreetingClient(guests)
//
// A call waits until the service has started, and for the result; when its context
// ends the call does, too. The guest gets the deadline and the [Metadata] of the
// context. Errors are those of the service as they are, and canonical ones: UNAVAILABLE when
// the guest ended meanwhile, so that it is not known what it did, or all guests were asked to
// end, UNIMPLEMENTED when those who serve have no such method,
// RESOURCE_EXHAUSTED beyond a limit, and those of the context. It is safe for concurrent
// use; it keeps neither request nor response when it returns.
type Dispatcher = core.Conn

// Method is what is known of a method by those who call it: its names (Service, Name and
// FullName, such as "file.v1.File.Open"), its options (Budget, MayBlock, Idempotency, Deprecated,
// and Redacted for one whose messages have fields with debug_redact), and Descriptor, which may be
// nil. It must not be changed.
type Method = core.Method

// Result decodes the answer of a call that a [Dispatcher] has made into resp, or returns the
// error that it is: code and body are those of docs/abi.md. It bounds what decoding takes, as
// [Unmarshal] does: who answers is not trusted.
func Result(ctx context.Context, code int32, body []byte, resp proto.Message) error {
	return core.Result(ctx, code, body, resp)
}
