package main

import (
	"context"
	"fmt"

	"github.com/iansmith/parigot/pluginsdk/eng"
)

const grpcName = "gRPC"

// The bounds for the payloads: how many times as fast as gRPC one caller and many are to be, and
// a program as a library.
var (
	oneBounds     = []float64{15, 10, 3}
	manyBounds    = []float64{5, 3.5, 3}
	programBounds = []float64{0.5, 0.5, 0.5}
)

// forms are the two forms of a guest.
var forms = []struct {
	name string
	opts []eng.GuestOption
}{{"trusted", []eng.GuestOption{eng.Trusted()}}, {"interruptible", nil}}

// opener starts the sides.
type opener struct {
	*bench
	cache            string
	program, library []byte
}

// groups starts the sides of all groups.
func (o opener) groups(ctx context.Context, grpc side, sc scale) error {
	one := group{what: "Guest → guest, 1 caller", callers: 1, part: 2, sides: []side{grpc}}
	many := group{what: fmt.Sprintf("Guest → guest, %d callers", sc.callers), callers: sc.callers, part: 1, sides: []side{grpc}}
	host := group{what: "Host → guest, 1 caller", callers: 1, part: 2}
	if err := o.guests(ctx, &one, 1, "", oneBounds); err != nil {
		return err
	}
	if err := o.guests(ctx, &many, sc.few, fmt.Sprintf("%d serve, ", sc.few), manyBounds); err != nil {
		return err
	}
	if err := o.guests(ctx, &many, sc.many, fmt.Sprintf("%d serve, ", sc.many), nil); err != nil {
		return err
	}
	for _, f := range forms {
		library, err := openLibrary(ctx, o.library, o.cache, f.opts...)
		if err != nil {
			return fmt.Errorf("library, %s: %w", f.name, err)
		}
		o.add(&host, side{name: "library, " + f.name, contest: library})
		program, err := openProgram(ctx, o.program, o.cache, f.opts...)
		if err != nil {
			return fmt.Errorf("program, %s: %w", f.name, err)
		}
		o.add(&host, side{name: "program, " + f.name, against: "library, " + f.name, bounds: programBounds, contest: program})
	}
	o.bench.groups = []group{one, many, host}
	return nil
}

// guests starts n guests that serve and n that call them, of each form.
func (o opener) guests(ctx context.Context, in *group, n int, prefix string, bounds []float64) error {
	for _, f := range forms {
		g, err := openGuests(ctx, o.program, o.cache, n, n, f.opts...)
		if err != nil {
			return fmt.Errorf("%d guests, %s: %w", n, f.name, err)
		}
		o.add(in, side{name: prefix + f.name, against: grpcName, bounds: bounds, contest: g})
	}
	return nil
}

func (o opener) add(in *group, s side) {
	in.sides = append(in.sides, s)
	o.open = append(o.open, s.contest)
}
