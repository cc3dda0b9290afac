package main

import (
	"context"
	"errors"

	"github.com/iansmith/parigot/bench/call/gen/echo/v1/echov1parigot"
	"github.com/iansmith/parigot/bench/internal/usage"
	"github.com/iansmith/parigot/bench/syscall/echo"
	"github.com/iansmith/parigot/pluginsdk/eng"
)

// called is a guest that the host calls.
type called struct {
	client echov1parigot.EchoClient
	end    func(ctx context.Context) error
}

// openProgram starts a program that serves. It waits for calls, which the kernel hands to it.
func openProgram(ctx context.Context, wasm []byte, cache string, opts ...eng.GuestOption) (*called, error) {
	g, err := openGuests(ctx, wasm, cache, 1, 0, opts...)
	if err != nil {
		return nil, err
	}
	return &called{echov1parigot.NewEchoClient(g.dispatch), g.close}, nil
}

// openLibrary starts a library that serves.
func openLibrary(ctx context.Context, wasm []byte, cache string, opts ...eng.GuestOption) (_ *called, err error) {
	host, err := openHost(ctx, cache)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, host.Close(ctx))
		}
	}()
	guest, err := host.Compile(ctx, "library", wasm, opts...)
	if err != nil {
		return nil, err
	}
	instance, err := guest.Instantiate(ctx)
	if err != nil {
		return nil, err
	}
	return &called{echov1parigot.NewEchoClient(instance), host.Close}, nil
}

func (c *called) run(ctx context.Context, w echo.Work) (done echo.Done, err error) {
	before := usage.CPU()
	done.Calls, err = w.Run(ctx, c.client.Send)
	done.CPU = usage.CPU() - before
	return done, err
}

func (c *called) close(ctx context.Context) error { return c.end(ctx) }
