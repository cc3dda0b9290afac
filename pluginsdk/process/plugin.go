package process

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/internal/frame"
	"github.com/iansmith/parigot/internal/instance"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
	"github.com/iansmith/parigot/pluginsdk/parigotpb/processpb"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// Plugin returns the plugin in the program at path, whose main function calls [Main]. A
// relative path starts at the working directory; PATH is not searched.
//
// Init starts a process and waits until the plugin in it is initialised; each engine
// has a process of its own. It fails when the program cannot be started or is no plugin
// (FAILED_PRECONDITION), is not ready in time (DEADLINE_EXCEEDED), or its own Init fails
// (with that error's code). From then on the process is kept running
// until the engine closes. A plugin that registers other functions when it is started
// again is refused, as if it had failed.
//
// A host that asks for a dispatcher, see [pluginsdk.WithDispatcher], gets one when the
// plugin in the process offers one.
func Plugin(path string, opts ...Option) pluginsdk.ParigotInit {
	return &plugin{newSettings(path, opts)}
}

type plugin struct{ settings *settings }

// Init implements [pluginsdk.ParigotInit].
func (p *plugin) Init(ctx context.Context, e eng.Engine) bool {
	if _, err := p.start(ctx, e); err != nil {
		return pluginsdk.InitError(e, fmt.Errorf("plugin %s: %w", p.settings.name, err))
	}
	return true
}

func (p *plugin) start(ctx context.Context, e eng.Engine) (*supervisor, error) {
	if supported != nil {
		return nil, supported
	}
	log := e.Logger().With("plugin", p.settings.name)
	start, err := startOrder(p.settings, log, core.ConfigOf(ctx))
	if err != nil {
		return nil, err
	}
	v, first, err := supervise(ctx, p.settings, log, start)
	if err != nil {
		return nil, err
	}
	// It is closed with the engine, also when it cannot be registered.
	e.OnClose(v.close)
	modules, err := v.modules(first.ready)
	if err != nil {
		return nil, err
	}
	for _, m := range modules {
		if err := e.Register(ctx, m); err != nil {
			_ = e.Failures() // Init fails with the error that is returned
			return nil, err
		}
	}
	e.OnGuestExit(v.guestEnded)
	if first.ready.GetDispatches() {
		pluginsdk.OfferDispatcher(ctx, dispatcher{v})
	}
	return v, nil
}

// startOrder returns what a process is to do.
func startOrder(s *settings, log *slog.Logger, config proto.Message) (*processpb.ProcessStart, error) {
	start := &processpb.ProcessStart{LogLevel: int32(lowestLevel(log)), StopGraceNs: int64(s.stopGrace), MaxDecoded: s.maxDecoded}
	if config == nil {
		return start, nil
	}
	encoded, err := proto.Marshal(config)
	if err != nil {
		return nil, status.Wrap(status.InvalidArgument, err, "encode the configuration")
	}
	start.ConfigType, start.Config = string(config.ProtoReflect().Descriptor().FullName()), encoded
	return start, nil
}

// MaxFunctions bounds what a plugin registers.
const MaxFunctions = 10_000

// modules returns what to register: functions that forward their calls.
func (v *supervisor) modules(ready *processpb.ProcessReady) ([]eng.HostModule, error) {
	files, err := openFiles(ready.GetFiles())
	if err != nil {
		return nil, err
	}
	if n := len(ready.GetFunctions()); n > MaxFunctions {
		return nil, status.Errorf(status.ResourceExhausted, "the plugin registers %d functions, more than %d", n, MaxFunctions)
	}
	var modules []eng.HostModule
	for i, f := range ready.GetFunctions() {
		if n := len(modules); n == 0 || modules[n-1].Name != f.GetModule() {
			modules = append(modules, eng.HostModule{Name: f.GetModule()})
		}
		m := &modules[len(modules)-1]
		m.Functions = append(m.Functions, v.function(uint32(i), f, methodIn(files, f.GetMethod())))
	}
	return modules, nil
}

// function returns a function that forwards its calls.
func (v *supervisor) function(number uint32, f *processpb.ProcessFunction, descriptor func() protoreflect.MethodDescriptor) eng.Function {
	carry := func(ctx context.Context, request []byte, room func(uint32) ([]byte, error)) (int32, []byte, error) {
		p, err := v.running()
		if err != nil {
			return 0, nil, err
		}
		r, err := p.call(ctx, number, request, room)
		return r.code, r.body, err
	}
	m := &core.Method{
		FullName: cmp.Or(f.GetMethod(), f.GetModule()+"."+f.GetName()),
		Budget:   time.Duration(f.GetBudgetNs()), MayBlock: f.GetMayBlock(), Deprecated: f.GetDeprecated(),
		Idempotency: core.Idempotency(f.GetIdempotency()), Redacted: f.GetRedacted(), Descriptor: descriptor,
	}
	dot := max(0, strings.LastIndexByte(m.FullName, '.'))
	m.Service, m.Name = m.FullName[:dot], strings.TrimPrefix(m.FullName[dot:], ".")
	server := core.Carry(m, carry)
	return eng.Function{
		Name: f.GetName(), Method: f.GetMethod(), Deprecated: f.GetDeprecated(), Call: server.Stack, Server: server,
		Budget: m.Budget, MayBlock: m.MayBlock, Descriptor: descriptor,
	}
}

// dispatcher calls guests by way of a plugin.
type dispatcher struct{ *supervisor }

var _ pluginsdk.Dispatcher = dispatcher{}

// Invoke implements [pluginsdk.Dispatcher].
func (d dispatcher) Invoke(ctx context.Context, m *core.Method, req, resp proto.Message) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p, err := d.running()
	if err != nil {
		return err
	}
	request, err := proto.Marshal(req)
	if err != nil {
		return status.Wrap(status.InvalidArgument, err, "encode the request")
	}
	r, err := p.ask(ctx, frame.Dispatch, &processpb.ProcessDispatch{
		Service: m.Service, Method: m.Name, Request: request,
		Header: &parigotpb.CallHeader{TimeoutNs: int64(timeoutOf(ctx)), Metadata: pluginsdk.Metadata(ctx)},
	})
	if err != nil {
		return err
	}
	limits := instance.Limits{MaxResponse: p.maxResponse, MaxDecoded: d.maxDecoded}
	return core.Answer{Call: m.FullName, Code: r.code, Body: r.body}.Into(resp, &limits, nil)
}
