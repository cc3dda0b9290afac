package pluginsdk

import (
	"context"
	"time"

	"github.com/tetratelabs/wazero/api"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/iansmith/parigot/internal/instance"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// Service is what generated code registers: the host's side of one protobuf
// service.
type Service struct {
	// Name is the full name of the service, such as "file.v1.File".
	Name string
	// Module is the import module of its functions; "" means Name.
	Module string
	// Impl is the implementation. It must not be nil. When it has a method
	// Close(context.Context) error, that is called when the engine closes.
	Impl any
	// Methods are the methods in the order of the proto file. None is allowed.
	Methods []Method
}

// Method is one method of a [Service].
type Method struct {
	// Name is the method's name in the proto file.
	Name string
	// Func is the name of the imported function; "" means Name.
	Func string
	// Budget is how long a call may take; 0 means the budget of the engine, or
	// none for a method that may block.
	Budget time.Duration
	// Bridge calls the implementation through [InvokeImplFromStack].
	Bridge eng.HostFunc
	// Borrowing does so without copies, see [Borrow]. It is used instead of Bridge when
	// the service is [Borrowed] and the method does not block. It may be nil.
	Borrowing eng.HostFunc
	// Descriptor returns the method as protobuf describes it, or nil, see
	// [DescribeMethod]. It may be nil itself.
	Descriptor func() protoreflect.MethodDescriptor
	// Idempotency says what a second call with the same request does.
	Idempotency Idempotency
	// Deprecated marks a method that the proto file calls deprecated, or whose
	// service or file it does. The engine logs which guests import it.
	Deprecated bool
	// Redacted says that the request or the response has, at any depth, a field
	// with the option debug_redact: who logs messages leaves such fields out.
	// Parigot logs none.
	Redacted bool
	// MayBlock says that the method has the option may_block: a call may wait for
	// something other than the processor. The implementation then runs on a
	// goroutine of its own, and the guest goes on when the call is not done soon.
	// That goes for guests that import parigot.await; calls of others block
	// them. [eng.WithMaxPending] bounds such calls.
	MayBlock bool
}

// Idempotency is what the proto file says, with idempotency_level, about calling
// a method a second time.
type Idempotency uint8

const (
	// IdempotencyUnknown promises nothing.
	IdempotencyUnknown Idempotency = iota
	// NoSideEffects is a call that changes nothing: its response may be cached.
	NoSideEffects
	// Idempotent is a call that may be repeated when its outcome is not known.
	Idempotent
)

// DescribeMethod returns a function that looks for the method with the given full
// name among the proto files that are linked into the program. Nothing happens
// before it is called. It returns nil when the Go code of the method's proto file
// is not linked, which can only be when the service uses no message of that Go
// package. It is safe for concurrent use.
func DescribeMethod(fullName string) func() protoreflect.MethodDescriptor {
	return func() protoreflect.MethodDescriptor {
		found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(fullName))
		if err != nil {
			return nil
		}
		method, _ := found.(protoreflect.MethodDescriptor)
		return method
	}
}

// ServiceOption changes how a service is registered. See [Borrowed].
type ServiceOption interface{ applyService(c *serviceConfig) }

type serviceConfig struct{ borrowed bool }

type serviceOption func(c *serviceConfig)

func (o serviceOption) applyService(c *serviceConfig) { o(c) }

// Borrowed is the promise of an implementation that its methods use their context, their
// request, their response and whatever is in these until they return and no longer, strings
// and bytes of the request included, and change nothing in the request. What a method
// wants to keep it copies, with [strings.Clone] say.
//
// In exchange a call allocates nothing: messages and context serve the next call again,
// and strings and bytes of a request lie in the guest's memory, where the message has the
// method UnmarshalVTUnsafe of vtprotobuf. An implementation that breaks the promise sees
// the data of later calls, or memory that is gone.
//
// Without the option messages are new for each call and own their data, and only the
// response is the bridge's: so it is with methods that may block in any case.
func Borrowed() ServiceOption {
	return serviceOption(func(c *serviceConfig) { c.borrowed = true })
}

// closer is an implementation that wants to be closed with its engine.
type closer interface {
	Close(ctx context.Context) error
}

// RegisterService registers all methods of s with e, or none. Generated code
// calls it. Its errors are those of [eng.Engine].Register, and FAILED_PRECONDITION
// when there is no implementation. An implementation of several services is closed
// once for each. Safe for concurrent use.
func RegisterService(ctx context.Context, e eng.Engine, s Service, opts ...ServiceOption) error {
	var c serviceConfig
	for _, o := range opts {
		o.applyService(&c)
	}
	if s.Impl == nil {
		err := status.Errorf(status.FailedPrecondition, "%s: the implementation is nil", s.Name)
		e.Fail(err)
		return err
	}
	m := eng.HostModule{Name: orElse(s.Module, s.Name)}
	for _, method := range s.Methods {
		m.Functions = append(m.Functions, eng.Function{
			Name:       orElse(method.Func, method.Name),
			Call:       method.call(c.borrowed),
			Deprecated: method.Deprecated,
			Method:     s.Name + "." + method.Name,
			Budget:     method.Budget,
			MayBlock:   method.MayBlock,
			Descriptor: method.Descriptor,
		})
	}
	if err := e.Register(ctx, m); err != nil {
		return err
	}
	if c, ok := s.Impl.(closer); ok {
		e.OnClose(c.Close)
	}
	return nil
}

func orElse(name, fallback string) string {
	if name == "" {
		return fallback
	}
	return name
}

// call returns the bridge, with a context that says what its calls may do. The
// bridge of a method without options runs as it is.
func (m Method) call(borrowed bool) eng.HostFunc {
	f, c := m.Bridge, methodContext{budget: m.Budget, mayBlock: m.MayBlock}
	if borrowed && m.Borrowing != nil && !m.MayBlock {
		f = m.Borrowing
	}
	switch {
	case f == nil || c.budget == 0 && !c.mayBlock:
		return f
	case c.budget == 0:
		c.budget = NoBudget
	}
	return func(ctx context.Context, m api.Module, stack []uint64) {
		with := c
		with.Context = ctx
		f(&with, m, stack)
	}
}

// NoBudget lets a call take as long as it wants, see [WithBudget].
const NoBudget time.Duration = -1

// WithBudget returns a context in which the next call through [CallLocal] or
// [InvokeImplFromStack] has the given budget, instead of that of the engine. It
// counts for that call only, not for calls that the implementation makes with the
// context it gets. [NoBudget], and what is not positive, mean none. Generated code
// uses it for the options budget and may_block.
func WithBudget(ctx context.Context, budget time.Duration) context.Context {
	return &methodContext{Context: ctx, budget: budget}
}

// Adapt makes of an implementation's method, such as FileImpl.Open, the function
// that [InvokeImplFromStack] takes. An error of the method is coded on the way:
// see [CallLocal].
func Adapt[I any, T, U proto.Message](impl I, method func(I, context.Context, T, U) error) func(context.Context, T, U) int32 {
	return func(ctx context.Context, t T, u U) int32 {
		err := method(impl, ctx, t, u)
		if err == nil {
			return 0
		}
		call := callFromContext(ctx)
		if call == nil {
			call = newCallContext(ctx, "")
		}
		call.failure = boundary(call, stateOf(ctx), err)
		code, _ := call.failure.WireCode()
		return code
	}
}

// CallLocal calls an implementation without a guest, for the local clients that
// are generated for tests and native callers. It behaves as a call from a guest
// does: the context has the call's name and budget, a panic or an error without
// a code is logged under an incident id and becomes INTERNAL, and of an error
// with a code only the code, the message and the details remain. name is the
// method's full name. What resp had is gone; after a call that failed it is undefined.
func CallLocal[I any, T, U proto.Message](ctx context.Context, name string, impl I, method func(I, context.Context, T, U) error, req T, resp U) error {
	proto.Reset(resp)
	run := Adapt(impl, method)
	if s := callLocal(ctx, name, func(ctx context.Context) int32 { return run(ctx, req, resp) }); s != nil {
		return s
	}
	return nil
}

func callLocal(ctx context.Context, name string, run func(context.Context) int32) (s *status.Status) {
	inst := stateOf(ctx)
	call := newCallContext(ctx, name)
	// An implementation that calls another passes on what its own caller sent.
	// The instance's header is not for it: that one belongs to a call of the guest.
	call.metadata = Metadata(ctx)
	defer func() {
		if p := recover(); p != nil {
			s = panicStatus(call, inst, p)
		}
	}()
	start, s := begin(call, inst, instance.Header{})
	if s != nil {
		return s
	}
	code := run(call)
	finish(call, inst, start)
	if code == 0 {
		return nil
	}
	failed := call.failed(code, inst)
	wire, _ := failed.WireCode()
	return status.FromProto(wire, failed.Proto())
}
