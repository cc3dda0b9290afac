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
// when somebody asks for it, which the plugin does at the latest.
type Interceptor = core.Interceptor

// Call is a call as an [Interceptor] sees it.
type Call = core.Call
