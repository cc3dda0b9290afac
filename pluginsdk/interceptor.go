package pluginsdk

import "github.com/iansmith/parigot/internal/core"

// Interceptor is called around each call of a guest to a plugin, and of the host to a guest
// ([eng.Instance.Invoke], [eng.Pool.Invoke], [WithDispatcher]), for hosts that give it to
// [eng.WithInterceptors]. It calls next, once or not at all, with the context that it got or one
// made of it. next returns when the call is over. What the interceptor returns is what the call
// fails with; nil means success:
//
//	func logCalls(ctx context.Context, c *pluginsdk.Call, next func(context.Context) error) error {
//		err := next(ctx)
//		slog.InfoContext(ctx, "call", "method", c.Method().FullName,
//			"caller", eng.CallerFromContext(ctx).Name, "target", c.Target().Name, "err", err)
//		return err
//	}
//
// Limits and the deadline of the call were checked before, and the grants of a guest that calls.
// What a guest sends is decoded when somebody asks for it, which the server does at the latest. ctx
// has the deadline, the [Metadata], and who calls ([eng.CallerFromContext]): the zero Caller if it
// is the host itself, and the guest that a plugin is serving if that plugin calls another one with
// the context it got. An error without a code becomes INTERNAL and an incident, and so does a panic.
//
// Interceptors must be safe for concurrent use; a guest's call that may block has its interceptors
// on a goroutine of its own. In a call of the host they run before it waits for its turn in the
// instance; those of a pool have an instance already.
type Interceptor = core.Interceptor

// Call is a call as an [Interceptor] sees it, until that returns. Its methods are
//
//	Method() *Method                        // what is known of the method
//	Target() eng.Caller                     // the guest that the host calls; zero: a plugin serves, or knows who
//	Request() (proto.Message, error)        // the request; do not change it
//	SetRequest(m proto.Message) error       // has the server get a copy of m
//	Response() proto.Message                // nil before next has returned nil; do not change it
//	SetResponse(m proto.Message) error      // has the caller get m; do not change it any more
//
// Messages that are set must have the method's types: else it is INVALID_ARGUMENT. They are held to
// the limits of those in whose place they are. Messages of a plugin in a process are dynamic ones.
type Call = core.Call
