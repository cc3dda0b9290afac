package pluginsdk

import "github.com/iansmith/parigot/internal/core"

// Interceptor is called around each call of a guest to a plugin, for hosts that give it to
// [eng.WithInterceptors]. It calls next, once or not at all, with the context that it got or
// one made of it. What it returns is what the call fails with; nil means success:
//
//	func logCalls(ctx context.Context, c *pluginsdk.Call, next func(context.Context) error) error {
//		err := next(ctx)
//		slog.InfoContext(ctx, "call", "method", c.Method().FullName, "guest", eng.CallerFromContext(ctx).Name, "err", err)
//		return err
//	}
//
// Grants, limits and the deadline of the call were checked before. The request is decoded
// when somebody asks for it, which the plugin does at the latest. An error without a code
// becomes INTERNAL and an incident, and so does a panic. Interceptors must be safe for
// concurrent use; one of a call that may block runs on the goroutine of that call. Calls of
// the host to a guest have none.
type Interceptor = core.Interceptor

// Call is a call as an [Interceptor] sees it, until that returns. Its methods are
//
//	Method() *Method                        // what is known of the method
//	Request() (proto.Message, error)        // the request; do not change it
//	SetRequest(m proto.Message) error       // has the plugin get a copy of m
//	Response() proto.Message                // nil before next has returned nil; do not change it
//	SetResponse(m proto.Message) error      // has the guest get m
//
// Messages that are set must have the method's types: else it is INVALID_ARGUMENT. A request is
// bounded as one that the guest sent. Messages of a plugin in a process are dynamic ones.
type Call = core.Call
