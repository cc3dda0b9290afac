// Command warm compiles a guest into a cache directory, for tests that run it from
// there. Package guesttest starts it: with the race detector, as in a test, the
// same takes twenty times as long.
//
//	warm DIR GUEST.wasm LIMIT
//
// LIMIT is that of the guest's memory in bytes, or 0 for the engine's own; with a limit, the
// guest is compiled to be interruptible only.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/iansmith/parigot/pluginsdk/eng"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "warm:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (err error) {
	if len(args) != 3 {
		return errors.New("usage: warm DIR GUEST.wasm LIMIT")
	}
	limit, err := strconv.ParseUint(args[2], 10, 64)
	if err != nil {
		return fmt.Errorf("the limit: %w", err)
	}
	wasm, err := os.ReadFile(args[1])
	if err != nil {
		return fmt.Errorf("read the guest: %w", err)
	}
	host, err := eng.New(ctx, eng.WithCacheDir(args[0]))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, host.Close(ctx)) }()
	forms := [][]eng.GuestOption{nil, {eng.Trusted()}}
	if limit > 0 {
		forms = [][]eng.GuestOption{{eng.GuestMemoryLimit(limit)}}
	}
	for _, opts := range forms {
		if _, err := host.Compile(ctx, "guest", wasm, opts...); err != nil {
			return err
		}
	}
	return nil
}
