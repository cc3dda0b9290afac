package main

import (
	"context"

	callv1 "github.com/iansmith/parigot/bench/call/gen/call/v1"
	"github.com/iansmith/parigot/bench/call/gen/echo/v1/echov1parigot"
	"github.com/iansmith/parigot/bench/call/work"
	"github.com/iansmith/parigot/pluginsdk/eng"
)

// hostSides are the calls of guests by their host, each trusted and interruptible, and what
// they are compared with: an import that does nothing, and the call of a plugin by a guest.
func (p *parigot) hostSides() []side {
	var all []side
	for i, g := range []*eng.Guest{p.trusted, p.interruptible} {
		open := func(wrap func(*instance) contest) func(context.Context, int) (contest, error) {
			return func(ctx context.Context, payload int) (contest, error) {
				in, err := openInstance(ctx, g, "", payload)
				if err != nil {
					return nil, err
				}
				return wrap(in), nil
			}
		}
		export := func(name string) func(context.Context, int) (contest, error) {
			return open(func(in *instance) contest { in.export = name; return in })
		}
		all = append(all,
			side{"empty-" + forms[i], limit, export("empty")},
			side{"export-" + forms[i], limit, open(func(in *instance) contest { return exported{in} })},
			side{"plugin-" + forms[i], ours, export("default")},
			side{"serve-" + forms[i], ours, open(func(in *instance) contest { return served{in, echov1parigot.NewEchoClient(in)} })})
	}
	return all
}

// exported is the call of an export that does nothing.
type exported struct{ *instance }

func (e exported) run(ctx context.Context, calls int) error {
	for range calls {
		if _, err := e.Call(ctx, "nothing"); err != nil {
			return err
		}
	}
	return nil
}

// served is a call of the service that the guest offers.
type served struct {
	*instance
	client echov1parigot.EchoClient
}

func (s served) run(ctx context.Context, calls int) error {
	payload, tags := work.Payload(s.payload), work.Tags()
	for seq := range uint64(calls) {
		if err := callServed(ctx, s.client, payload, tags, seq); err != nil {
			return err
		}
	}
	return nil
}

// callServed makes one call. Request and response are new, and nothing of them is shared with
// the guest.
func callServed(ctx context.Context, client echov1parigot.EchoClient, payload []byte, tags []string, seq uint64) error {
	resp, err := client.Send(ctx, &callv1.SendRequest{Queue: work.Queue, Payload: payload, Seq: seq, Tags: tags})
	if err != nil {
		return err
	}
	return work.Check(resp, len(payload), seq)
}
