// Command warm compiles a guest into a cache directory, for tests that run it from
// there. Package guesttest starts it: with the race detector, as in a test, the
// same takes twenty times as long.
//
//	warm DIR GUEST.wasm
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/iansmith/parigot/pluginsdk/eng"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "warm:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (err error) {
	if len(args) != 2 {
		return errors.New("usage: warm DIR GUEST.wasm")
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
	for _, opts := range [][]eng.GuestOption{nil, {eng.Trusted()}} {
		if _, err := host.Compile(ctx, "guest", wasm, opts...); err != nil {
			return err
		}
	}
	return nil
}
