package deploy

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/parigotpb/deploymentpb"
	"github.com/iansmith/parigot/pluginsdk/process"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// The placements of a plugin. The schema has no others, and "" is static.
const (
	placementSO      = "so"
	placementProcess = "process"
)

// defaultSymbol is the variable that a Go plugin has its ParigotInit in.
const defaultSymbol = "ParigotInitialize"

// placed returns the ParigotInit of a plugin in its placement. For so it loads the
// file, which runs the initialisation of its packages; for process nothing is started
// before Init. resolve makes paths absolute. opts are for the placement process; the
// name and the environment of this process are set by itself.
func placed(ctx context.Context, p *deploymentpb.Plugin, resolve func(string) string, opts ...process.Option) (pluginsdk.ParigotInit, error) {
	switch p.GetPlacement() {
	case placementSO:
		symbol := p.GetSymbol()
		if symbol == "" {
			symbol = defaultSymbol
		}
		return pluginsdk.LoadAndReturnInit(ctx, resolve(p.GetPath()), symbol, "")
	case placementProcess:
		return process.Plugin(resolve(p.GetPath()), processOptions(p, opts)...), nil
	}
	found, ok := pluginsdk.Registered(p.GetName())
	if ok {
		return found, nil
	}
	return nil, notRegistered(p.GetName())
}

func processOptions(p *deploymentpb.Plugin, opts []process.Option) []process.Option {
	return append([]process.Option{process.WithName(p.GetName()), process.WithStartTimeout(p.GetStartTimeout().AsDuration())}, opts...)
}

// tooSlow adds the remedy to the error of a plugin whose process was not ready in time, and
// returns the field of the plugin that has it. The field is "" for all other errors.
func tooSlow(ctx context.Context, p *deploymentpb.Plugin, err error) (field string, _ error) {
	if p.GetPlacement() != placementProcess || status.CodeOf(err) != status.DeadlineExceeded || ctx.Err() != nil {
		return "", err
	}
	field = ".path"
	limit := process.DefaultStartTimeout
	if p.GetStartTimeout() != nil {
		field, limit = ".start_timeout", p.GetStartTimeout().AsDuration()
	}
	return field, fmt.Errorf("%w: its start_timeout is %v: set a longer one if it needs more time", err, limit)
}

func notRegistered(name string) error {
	names := pluginsdk.RegisteredNames()
	hint := "this program has none"
	if len(names) > 0 {
		hint = "this program has " + strings.Join(names, ", ")
	}
	if near := nearest(name, names); near != "" {
		hint += "; did you mean " + near + "?"
	} else {
		hint += "; use a program that registers it with pluginsdk.Register (in a project of parigot new: make build, then build/host check), " +
			"or set placement to process or so, and path to the plugin's file"
	}
	return status.Errorf(status.NotFound, "no plugin %s is linked into this program: %s", name, hint)
}

// pluginGrace is how long a plugin may go on loading, describing itself or starting after its
// context has ended: enough for one that watches it.
const pluginGrace = time.Second

// promptly runs a plugin's code, and leaves it alone if it does not return soon after ctx has
// ended. The error is that of ctx then.
func promptly[T any](ctx context.Context, run func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		r := result{err: status.Error(status.Internal, "the plugin ended its goroutine")}
		defer func() { done <- r }()
		r.value, r.err = run()
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
	}
	select {
	case r := <-done:
		return r.value, r.err
	case <-time.After(pluginGrace):
		return *new(T), fmt.Errorf("it does not stop, and is abandoned: %w", context.Cause(ctx))
	}
}

// described returns the plugin in its placement, and what it says of itself, which is
// nil when it says nothing. It does not initialise the plugin; for process it runs the
// program once, for as long as it takes to say that.
func described(ctx context.Context, p *deploymentpb.Plugin, resolve func(string) string, opts ...process.Option) (pluginsdk.ParigotInit, *pluginsdk.Description, error) {
	type found struct {
		plugin      pluginsdk.ParigotInit
		description *pluginsdk.Description
	}
	f, err := promptly(ctx, func() (found, error) {
		plugin, d, err := describe(ctx, p, resolve, opts)
		return found{plugin, d}, err
	})
	return f.plugin, f.description, err
}

func describe(ctx context.Context, p *deploymentpb.Plugin, resolve func(string) string, opts []process.Option) (pluginsdk.ParigotInit, *pluginsdk.Description, error) {
	plugin, err := placed(ctx, p, resolve, opts...)
	if err != nil {
		return nil, nil, err
	}
	if p.GetPlacement() == placementProcess {
		d, err := process.Describe(ctx, resolve(p.GetPath()), processOptions(p, opts)...)
		if status.CodeOf(err) == status.Unimplemented {
			return plugin, nil, nil
		}
		return plugin, &d, err
	}
	if d, ok := plugin.(pluginsdk.Describer); ok {
		description := d.Describe()
		return plugin, &description, nil
	}
	return plugin, nil, nil
}
