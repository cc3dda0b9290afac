// Package eng runs guests. [Engine] is the part of it that plugins see: what
// they register their host functions with. [New] makes the engine, a [Host] on
// wazero; [Host.Compile] takes a guest and [Guest.Run] runs it.
//
// A guest gets no network, no files but those of [WithMount], no environment but what
// [WithEnv] says, a real clock, its arguments and standard output as its host decides, a limit
// to its memory, and it ends when its context does.
package eng

import (
	"context"
	"log/slog"
	"time"

	"github.com/tetratelabs/wazero/api"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/internal/instance"
)

// HostFunc is the host's side of a function that guests import. It takes its
// parameters from the stack and leaves its result there. ctx is the context the
// guest runs with, m the guest's module. It must not keep m, or a view of its memory:
// the memory is given back to the system when the instance ends.
type HostFunc = func(ctx context.Context, m api.Module, stack []uint64)

// HostModule is an import module with its functions, all of them with the
// signature of ABI v1: (req_ptr, req_len, resp_ptr, resp_cap i32) -> i64.
type HostModule struct {
	// Name is the import module, such as "file.v1.File".
	Name string
	// Functions are the functions of the module. None is allowed.
	Functions []Function
}

// Function is a function of a [HostModule].
type Function struct {
	// Name is the name that guests import, such as "Open".
	Name string
	// Call is run for each call, on the goroutine of the guest that makes it.
	// Calls of different guests run at the same time.
	Call HostFunc
	// Server serves the calls that reach the function by another way than a guest's
	// import, such as the socket of a plugin's own process. Generated code sets it. nil:
	// there is no other way.
	Server core.Server
	// Deprecated marks a function that guests should stop to import. Each time a
	// guest starts that imports some, the engine logs which, once, at level Info.
	Deprecated bool
	// Method is the full name of the protobuf method, such as "file.v1.File.Open",
	// which grants and errors name it by. "" means that there is none: then it goes
	// by its module and name.
	Method string
	// Budget is how long a call may take; 0 means the budget of the engine, and a
	// negative one none. Call keeps to it by itself.
	Budget time.Duration
	// MayBlock says that a call may go on while its guest runs. Call sees to that by
	// itself.
	MayBlock bool
	// Descriptor returns the method as protobuf describes it, or nil when that is not
	// known. It may be nil itself.
	Descriptor func() protoreflect.MethodDescriptor
}

// Engine is what a plugin gets to register itself with. All methods are safe for
// concurrent use.
type Engine interface {
	// Register adds a module's functions, all or none. Several calls may add
	// functions to one module. It is an error when a name is missing, reserved
	// (wasi_snapshot_preview1, parigot) or registered before, when a Call is
	// nil, and when a guest that imports the module has started already. The
	// error is kept as by Fail.
	Register(ctx context.Context, m HostModule) error

	// OnGuestExit has fn called each time an instance of a guest ends, after
	// its last call: the place to free what the plugin holds for it. ctx
	// is not cancelled with the guest.
	OnGuestExit(fn func(ctx context.Context, c Caller))

	// OnClose has fn called when the engine closes, after all guests ended. What
	// was added last is called first. Close returns its error.
	OnClose(fn func(ctx context.Context) error)

	// Fail keeps err as a reason why the plugin that is being initialised
	// cannot work. nil is ignored.
	Fail(err error)

	// Failures returns what was kept since the last call, joined, and forgets
	// it. nil when there is nothing. Plugins are initialised one after
	// the other, so what it returns belongs to the last one.
	Failures() error

	// Logger returns the logger of the engine, for a plugin to log with. It is
	// never nil.
	Logger() *slog.Logger
}

// Caller is an instance of a guest, mostly the one that makes a call: its ID, which is new for
// each instance, and its Name, which is the one that the guest was compiled under. It is
// comparable. The zero value stands for native code, such as that which calls through a local
// client, or calls a guest.
type Caller = core.Caller

// CallerFromContext returns who makes the call that ctx belongs to. The
// answer comes from the engine: nothing that a guest sends can change it.
func CallerFromContext(ctx context.Context) Caller {
	s := instance.FromContext(ctx)
	if s == nil {
		return Caller{}
	}
	return Caller{ID: s.ID, Name: s.Name}
}
