package pluginsdk_test

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
)

// logCalls logs each call, of a guest to a plugin or of the host to a guest.
func logCalls(ctx context.Context, c *pluginsdk.Call, next func(context.Context) error) error {
	start := time.Now()
	err := next(ctx)
	slog.InfoContext(ctx, "call", "method", c.Method().FullName,
		"caller", eng.CallerFromContext(ctx).Name, "target", c.Target().Name, "took", time.Since(start), "err", err)
	return err
}

func ExampleInterceptor() {
	ctx := context.Background()
	host, err := eng.New(ctx, eng.WithInterceptors(logCalls))
	if err != nil {
		fmt.Println(err)
		return
	}
	// Start plugins, compile guests and run them.
	fmt.Println(host.Close(ctx))
	// Output: <nil>
}
