//go:build !wasip1

package syscall

import (
	"context"

	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/id"
	"github.com/iansmith/parigot/pluginsdk/status"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
	"github.com/iansmith/parigot/pluginsdk/syscallpb/syscallpbparigot"
)

// SyscallPlugin implements syscall.v1.Syscall: it lets the guests of one engine
// serve each other.
//
// The zero value is for [SyscallPlugin.Init] only, which makes a SyscallPlugin of
// its own for each engine; the RPCs of the zero value fail with UNAVAILABLE. All
// methods are safe for concurrent use.
type SyscallPlugin struct {
	syscallpbparigot.UnimplementedSyscallServer

	kernel *kernel // nil in the zero value
	// whoCalls and mayDo are eng.CallerFromContext and eng.GrantsOf, or what a test
	// takes for them.
	whoCalls func(context.Context) eng.Caller
	mayDo    func(context.Context) *eng.Grants
}

var _ syscallpbparigot.SyscallServer = (*SyscallPlugin)(nil)

// ParigotInitialize is the plugin that a host initialises. It needs no
// configuration; a [syscallpb.SyscallConfig] changes its limits.
var ParigotInitialize pluginsdk.ParigotInit = &SyscallPlugin{}

// Init registers a SyscallPlugin of its own with e, so that its state belongs
// to that engine alone. What a guest has said and asked is forgotten when it ends,
// and everything when e closes. Init returns false when the configuration cannot
// work or e refuses the registration; [pluginsdk.Start] returns the reason.
func (*SyscallPlugin) Init(ctx context.Context, e eng.Engine) bool {
	cfg := new(syscallpb.SyscallConfig)
	if err := pluginsdk.ReadConfig(ctx, cfg); err != nil {
		return pluginsdk.InitError(e, err)
	}
	s, err := newSettings(cfg)
	if err != nil {
		return pluginsdk.InitError(e, err)
	}
	p := &SyscallPlugin{kernel: newKernel(s, e.Logger()), whoCalls: eng.CallerFromContext, mayDo: eng.GrantsOf}
	if err := syscallpbparigot.RegisterSyscall(ctx, swift{e, p}, p); err != nil {
		return false // the engine has kept why
	}
	pluginsdk.OfferDispatcher(ctx, dispatcher{p.kernel})
	pluginsdk.OfferDrainer(ctx, drainer{p.kernel})
	e.OnGuestExit(func(_ context.Context, c eng.Caller) { p.kernel.ended(c) })
	return true
}

// Describe says what Init will register and that it reads a [syscallpb.SyscallConfig].
func (*SyscallPlugin) Describe() pluginsdk.Description {
	return pluginsdk.Description{
		Services: []pluginsdk.Service{syscallpbparigot.Syscall_ServiceDesc},
		Config:   new(syscallpb.SyscallConfig),
	}
}

// Close ends all that the guests wait for. The engine calls it when it closes.
func (p *SyscallPlugin) Close(context.Context) error {
	if p.kernel != nil {
		p.kernel.close()
	}
	return nil
}

// host returns the guest that calls.
func (p *SyscallPlugin) host(ctx context.Context) (*hostInfo, error) {
	if p.kernel == nil {
		return nil, errNotInitialised()
	}
	return p.kernel.host(p.whoCalls(ctx))
}

func errNotInitialised() error {
	return status.Error(status.Unavailable, "the syscall plugin is not initialised: a host does it with pluginsdk.Start")
}

// Register makes the guest known and gives it the id of a service: the one that
// it names and is going to export, or, for a client, one that stands for the
// guest itself. A guest may register several services. Doing it again gives
// the same id.
//
// Errors: BadId for a name that no service can have, PERMISSION_DENIED for a
// service that the guest may not serve, NamespaceExhausted.
func (p *SyscallPlugin) Register(ctx context.Context, req *syscallpb.RegisterRequest) (*syscallpb.RegisterResponse, error) {
	if p.kernel == nil {
		return nil, errNotInitialised()
	}
	sid, err := p.kernel.register(ctx, p.whoCalls(ctx), p.mayDo(ctx), req)
	if err != nil {
		return nil, err
	}
	return &syscallpb.RegisterResponse{ServiceId: sid.Proto()}, nil
}

// BindMethod gives an id to a method of a service that the guest has
// registered. The id of a name is the same for all replicas, and for those that
// come later as long as any guest knows the service.
//
// Errors: BadId, ServiceAlreadyClosedOrExported when guests of another entry
// export the service, NamespaceExhausted.
func (p *SyscallPlugin) BindMethod(ctx context.Context, req *syscallpb.BindMethodRequest) (*syscallpb.BindMethodResponse, error) {
	h, err := p.host(ctx)
	if err != nil {
		return nil, err
	}
	mid, err := p.kernel.bind(h, id.FromProto[id.ServiceKind](req.GetServiceId()), req.GetMethodName())
	if err != nil {
		return nil, err
	}
	return &syscallpb.BindMethodResponse{MethodId: mid.Proto()}, nil
}

// Export says that the guest implements a service that it has registered. Calls
// come once it is launched.
//
// Errors: BadId, ServiceAlreadyClosedOrExported when guests of another entry
// export it, or when this guest has left it with Exit, FAILED_PRECONDITION when its
// messages do not fit those of a guest that has located the service.
func (p *SyscallPlugin) Export(ctx context.Context, req *syscallpb.ExportRequest) (*syscallpb.ExportResponse, error) {
	h, err := p.host(ctx)
	if err != nil {
		return nil, err
	}
	if err := p.kernel.export(ctx, h, id.FromProto[id.ServiceKind](req.GetServiceId())); err != nil {
		return nil, err
	}
	return new(syscallpb.ExportResponse), nil
}

// Require says that a service that the guest has registered needs others. They
// need not be known yet. All of them are added, or none.
//
// Errors: BadId, PERMISSION_DENIED for a service that the guest may not call,
// ServiceAlreadyRequired, DependencyCycle, whose message names the cycle,
// NamespaceExhausted.
func (p *SyscallPlugin) Require(ctx context.Context, req *syscallpb.RequireRequest) (*syscallpb.RequireResponse, error) {
	h, err := p.host(ctx)
	if err != nil {
		return nil, err
	}
	if err := p.kernel.require(ctx, h, id.FromProto[id.ServiceKind](req.GetSource()), req.GetDest()); err != nil {
		return nil, err
	}
	return new(syscallpb.RequireResponse), nil
}

// Launch waits until everything that the service requires has started, and
// starts it: from then on it gets calls.
//
// Errors: BadId, NotReady when the service is no client's and was not exported,
// RunTimeout, with the service that is missing, AbortRequest, DependencyCycle
// when guests wait for each other, see RegisterRequest.single_flight and
// LaunchRequest.single_flight.
func (p *SyscallPlugin) Launch(ctx context.Context, req *syscallpb.LaunchRequest) (*syscallpb.LaunchResponse, error) {
	h, err := p.host(ctx)
	if err != nil {
		return nil, err
	}
	if err := p.kernel.launch(ctx, h, id.FromProto[id.ServiceKind](req.GetServiceId()), req.GetSingleFlight()); err != nil {
		return nil, err
	}
	return new(syscallpb.LaunchResponse), nil
}

// Locate finds a service that the guest requires and has launched for. Its ids
// stay true when the guests that export it end and others come.
//
// Errors: NotFound when nobody ever named the service, NotRequired, LocateError
// when nobody exports it, NotReady when the guest was not launched, or the
// service has not started, FAILED_PRECONDITION when the guest's messages do not fit
// those of a guest that exports it.
func (p *SyscallPlugin) Locate(ctx context.Context, req *syscallpb.LocateRequest) (*syscallpb.LocateResponse, error) {
	h, err := p.host(ctx)
	if err != nil {
		return nil, err
	}
	s, err := p.kernel.locate(h, serviceName{req.GetService().GetPackageName(), req.GetService().GetServiceName()})
	if err != nil {
		return nil, err
	}
	return &syscallpb.LocateResponse{ServiceId: s.Id().Proto(), Binding: s.Method()}, nil
}

// ReturnValue answers a call that Next brought, and reads nothing.
//
// Errors: BadCallId for a call that is not this guest's to answer, or is over:
// it was answered, its caller does not wait any longer or has ended.
// DataTooLarge: the call waits for another answer.
func (p *SyscallPlugin) ReturnValue(ctx context.Context, req *syscallpb.ReturnValueRequest) (*syscallpb.ReturnValueResponse, error) {
	h, err := p.host(ctx)
	if err != nil {
		return nil, err
	}
	if err := p.kernel.returnValue(h, req); err != nil {
		return nil, err
	}
	return new(syscallpb.ReturnValueResponse), nil
}

// Exit withdraws all services of the guest, or asks all guests to end. It ends
// nobody: a guest ends by returning from its main function. Doing it
// again changes nothing.
//
// Errors: ExitFailed for a code that is not from 0 to 255, PERMISSION_DENIED
// when the host does not let this guest end the others.
func (p *SyscallPlugin) Exit(ctx context.Context, req *syscallpb.ExitRequest) (*syscallpb.ExitResponse, error) {
	h, err := p.host(ctx)
	if err != nil {
		return nil, err
	}
	if err := p.kernel.exit(h, req.GetCode(), req.GetEveryone()); err != nil {
		return nil, err
	}
	return new(syscallpb.ExitResponse), nil
}

// ServiceByName tells about a service. Any guest may ask.
//
// Errors: NotFound.
func (p *SyscallPlugin) ServiceByName(ctx context.Context, req *syscallpb.ServiceByNameRequest) (*syscallpb.ServiceByNameResponse, error) {
	if _, err := p.host(ctx); err != nil {
		return nil, err
	}
	s := p.kernel.data.ServiceByName(ctx, req.GetService().GetPackageName(), req.GetService().GetServiceName())
	if s == nil {
		return nil, errUnknown()
	}
	return &syscallpb.ServiceByNameResponse{Info: describe(s)}, nil
}

// ServiceById tells about a service. Any guest may ask.
//
// Errors: NotFound.
func (p *SyscallPlugin) ServiceById(ctx context.Context, req *syscallpb.ServiceByIdRequest) (*syscallpb.ServiceByIdResponse, error) {
	if _, err := p.host(ctx); err != nil {
		return nil, err
	}
	s := p.kernel.data.ServiceById(ctx, id.FromProto[id.ServiceKind](req.GetServiceId()))
	if s == nil {
		return nil, errUnknown()
	}
	return &syscallpb.ServiceByIdResponse{Info: describe(s)}, nil
}

// DependencyExists tells whether one service requires another, itself or by way
// of others. Any guest may ask.
func (p *SyscallPlugin) DependencyExists(ctx context.Context, req *syscallpb.DependencyExistsRequest) (*syscallpb.DependencyExistsResponse, error) {
	if _, err := p.host(ctx); err != nil {
		return nil, err
	}
	exists := p.kernel.data.PathExists(ctx, fullName(req.GetSource()), fullName(req.GetTarget()))
	return &syscallpb.DependencyExistsResponse{Exists: exists}, nil
}

func errUnknown() error {
	return status.Error(syscallpb.KernelErr_NotFound, "no such service is known")
}

// describe tells about a service.
func describe(s Service) *syscallpb.ServiceInfo {
	return &syscallpb.ServiceInfo{
		ServiceId:    s.Id().Proto(),
		Service:      &syscallpb.FullyQualifiedService{PackageName: s.Package(), ServiceName: s.Name()},
		IsClient:     s.Package() == clientPackage,
		Exported:     s.Exported(),
		RunRequested: s.RunRequested(),
		Started:      s.Started(),
		Binding:      s.Method(),
	}
}

func fullName(s *syscallpb.FullyQualifiedService) string {
	return serviceName{s.GetPackageName(), s.GetServiceName()}.String()
}
