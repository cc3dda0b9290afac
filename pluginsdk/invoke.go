package pluginsdk

import (
	"context"

	"github.com/tetratelabs/wazero/api"
	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/core"
)

// NoReturnedStruct is the result of a call that succeeded with a response that
// has no bytes.
var NoReturnedStruct = core.NoReturnedStruct

// InvokeImplFromStack is the bridge of one call: it decodes the guest's request
// into t, calls fn, encodes u into the guest's memory and leaves the result in
// stack[0], as docs/abi.md describes it. Generated code calls it; name is the
// method's full name, for contexts and logs.
//
// fn returns 0 for success, and otherwise the code that the guest is to see. t and u are
// empty messages of the method's types; the bridge owns them and keeps nothing of
// them. The u of generated code stands for the response that fn's implementation returns,
// and knows the options of the method; a u that is the response itself has none.
//
// The guest is not trusted. Requests outside of its memory, over the limits or
// not decodable, and whatever goes wrong in fn, a panic included, become codes;
// nothing is written outside of the response buffer, and the guest can go on.
//
// A method with the option may_block runs on a goroutine of its own, and
// may outlive this call.
func InvokeImplFromStack[T proto.Message, U proto.Message](ctx context.Context, name string, m api.Module, stack []uint64, fn func(context.Context, T, U) int32, t T, u U) {
	core.Stack(ctx, name, m, stack, fn, t, u)
}
