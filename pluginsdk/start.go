// Package pluginsdk is the host's side of Parigot: what plugins are made of and
// what the generated bridges stand on.
//
// A plugin is native Go code that guests call. Its author writes a proto file,
// generates, fills in impl_<service>.go, and a host starts it:
//
//	host, err := eng.New(ctx)
//	…
//	err = pluginsdk.Start(ctx, host, file.ParigotInitialize, pluginsdk.WithConfig(config))
//
// Guests that import the plugin's service can be compiled and run on that host
// from then on. docs/plugins.md is the walk from the proto file to there.
package pluginsdk

import (
	"context"
	"fmt"
	"runtime/debug"

	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// IsAtLeastVersion0_1_0 is asserted by the code that protoc-gen-parigot of that
// version generates.
const IsAtLeastVersion0_1_0 = true

// ParigotInit is the interface that plugins must meet to be initialized. It is
// expected that they use the supplied engine in the call to Init to register
// their host functions.
type ParigotInit interface {
	// Init registers the plugin with e and returns whether it can work. One
	// plugin may be initialised with several engines, so Init keeps the state
	// of each apart. Why it returns false it tells with [InitError]; the error
	// of a failed registration is kept without that.
	Init(ctx context.Context, e eng.Engine) bool
}

// InitFunc makes a [ParigotInit] of a function.
type InitFunc func(ctx context.Context, e eng.Engine) bool

// Init calls f.
func (f InitFunc) Init(ctx context.Context, e eng.Engine) bool { return f(ctx, e) }

// InitAll returns a plugin that initialises plugins in their order and stops at
// the first that cannot work. All of them get the same configuration. It is a
// [Describer] when all of them are. Their configuration is checked by those of them that
// are a [ConfigChecker].
func InitAll(plugins ...ParigotInit) ParigotInit {
	for _, p := range plugins {
		if _, ok := p.(Describer); !ok {
			return all(plugins)
		}
	}
	return Described(all(plugins), func() Description { return describeAll(plugins) })
}

// all are plugins in one.
type all []ParigotInit

// Init implements [ParigotInit].
func (a all) Init(ctx context.Context, e eng.Engine) bool {
	for _, p := range a {
		if !p.Init(ctx, e) {
			return false
		}
	}
	return true
}

// InitError keeps err as the reason why an Init fails and returns false, for Init
// to return.
func InitError(e eng.Engine, err error) bool {
	e.Fail(err)
	return false
}

// StartOption changes how [Start] starts a plugin.
type StartOption interface{ applyStart(*startOptions) }

type startOptions struct {
	config     proto.Message
	dispatcher *Dispatcher
	drainer    *Drainer
}

type configOption struct{ config proto.Message }

func (o configOption) applyStart(s *startOptions) { s.config = o.config }

// WithConfig gives the plugin its configuration, a message of the plugin's own
// type, which it reads with [ReadConfig]. The default and nil mean none.
func WithConfig(config proto.Message) StartOption { return configOption{config} }

type dispatcherOption struct{ into *Dispatcher }

func (o dispatcherOption) applyStart(s *startOptions) { s.dispatcher = o.into }

// WithDispatcher has Start store in into what the plugin offers for native code to
// call guests with: on this engine, until it closes, and with its interceptors. It is an error
// when the plugin offers none; of several plugins in one, see [InitAll], the last one's counts. into
// is set only when Start succeeds. The default and nil mean that nobody asks.
func WithDispatcher(into *Dispatcher) StartOption { return dispatcherOption{into} }

// OfferDispatcher gives d to a host that asks for it, see [WithDispatcher]. A plugin
// calls it in Init, with the context that it got.
func OfferDispatcher(ctx context.Context, d Dispatcher) { core.Offer(ctx, d) }

// Start checks the configuration of a plugin, if that is a [ConfigChecker], and initialises
// it with e. When it cannot work, the error says why; a
// panic in Init is an error too. What the plugin registered before it failed
// stays registered, so close the engine then. Plugins are started one after the
// other, before the first guest runs.
func Start(ctx context.Context, e eng.Engine, plugin ParigotInit, opts ...StartOption) error {
	if plugin == nil {
		return status.Error(status.InvalidArgument, "start plugin: the plugin is nil")
	}
	var o startOptions
	for _, opt := range opts {
		opt.applyStart(&o)
	}
	var offered Dispatcher
	ctx = core.WithConfig(ctx, o.config)
	if err := checkConfig(ctx, plugin); err != nil {
		return fmt.Errorf("start plugin %T: %w", plugin, err)
	}
	ctx = core.WithOffer(ctx, &offered)
	var drainer Drainer
	ctx = context.WithValue(ctx, drainerKey{}, &drainer)
	_ = e.Failures() // of registrations before: their callers have them
	ok := initialise(ctx, e, plugin)
	if err := e.Failures(); err != nil {
		return fmt.Errorf("start plugin %T: %w", plugin, err)
	}
	if !ok {
		return status.Errorf(status.Internal, "start plugin %T: Init returned false and gave no reason: it should call pluginsdk.InitError", plugin)
	}
	if o.drainer != nil && drainer != nil {
		*o.drainer = drainer
	}
	if o.dispatcher == nil {
		return nil
	}
	if offered == nil {
		return status.Errorf(status.FailedPrecondition, "start plugin %T: it offers no way to call guests: start it without WithDispatcher", plugin)
	}
	if i, ok := e.(interface {
		Intercept(c core.Conn) core.Conn
	}); ok {
		offered = i.Intercept(offered)
	}
	*o.dispatcher = offered
	return nil
}

func initialise(ctx context.Context, e eng.Engine, plugin ParigotInit) (ok bool) {
	defer func() {
		if p := recover(); p != nil {
			e.Logger().Error("panic in Init", "plugin", fmt.Sprintf("%T", plugin), "panic", p, "stack", string(debug.Stack()))
			e.Fail(status.Errorf(status.Internal, "panic in Init: %v", p))
			ok = false
		}
	}()
	return plugin.Init(ctx, e)
}
