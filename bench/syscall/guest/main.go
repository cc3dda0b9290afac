//go:build wasip1

// Guest is the guest of the benchmark.
//
//	guest serve SERVICE            returns what it is sent
//	guest call SERVICE TARGET ...  does the work that SERVICE is called with on the
//	                               targets, in turns
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/iansmith/parigot/bench/syscall/echo"
	"github.com/iansmith/parigot/pluginsdk/guest"
	"github.com/iansmith/parigot/pluginsdk/guest/kernel"
	"github.com/iansmith/parigot/pluginsdk/status"
)

func main() {
	if err := run(context.Background(), os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, role, service string, targets []string) error {
	s := guest.Service{Name: service, Impl: role}
	if role == "serve" {
		s.Methods = []guest.ServedMethod{{Name: "Echo", Handler: guest.Adapt(role, echoed)}}
	} else {
		s.Methods = []guest.ServedMethod{{Name: "Run", Handler: guest.Adapt(&caller{targets: targets}, (*caller).run)}}
	}
	return kernel.Serve(ctx, s, targets...)
}

func echoed(_ string, _ context.Context, req *wrapperspb.BytesValue) (*wrapperspb.BytesValue, error) {
	return req, nil
}

type caller struct {
	targets []string
	remotes []*kernel.Remote
}

// run does one work at a time: the host calls it so.
func (c *caller) run(ctx context.Context, req *wrapperspb.BytesValue) (*wrapperspb.Int64Value, error) {
	var w echo.Work
	if err := json.Unmarshal(req.GetValue(), &w); err != nil {
		return nil, status.Wrap(status.InvalidArgument, err, "this is no work")
	}
	for _, t := range c.targets[len(c.remotes):] {
		r, err := kernel.Locate(ctx, t, "Echo")
		if err != nil {
			return nil, err
		}
		c.remotes = append(c.remotes, r)
	}
	n, err := w.Run(ctx, func(ctx context.Context, turn int, req *wrapperspb.BytesValue) (*wrapperspb.BytesValue, error) {
		resp := new(wrapperspb.BytesValue)
		return resp, c.remotes[turn%len(c.remotes)].Call(ctx, 0, req, resp)
	})
	return wrapperspb.Int64(int64(n)), err
}
