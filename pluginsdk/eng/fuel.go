package eng

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/tetratelabs/wazero/api"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/internal/fuel"
	"github.com/iansmith/parigot/internal/instance"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// refuelName is the function of the module parigot that only the checks in a metered
// guest call. It is no part of the ABI: the engine does not connect it for a guest that
// imports it by itself.
const refuelName = "refuel"

// startName is the export that a metered guest's start function becomes.
const startName = "parigot.start"

var refuelSignature = signature{results: []api.ValueType{i64}}

// meter puts the checks into a module by which its instances can be stopped.
//
// wazero has checks of its own. Each of them leaves the guest, which takes ten
// nanoseconds where a short loop takes one. These count first, and leave the guest
// after a fraction of a millisecond: it has to, as Go's scheduler and garbage collector
// cannot stop a goroutine anywhere else. A flag that somebody else sets would not do,
// since nobody else may run while a collection waits for the guest.
func meter(wasm []byte, memory int64) (fuel.Metered, error) {
	m, err := fuel.Meter(wasm, fuel.Config{
		Refuel: fuel.Import{Module: abi.Module, Name: refuelName}, Waits: waits, Start: startName, Memory: memory,
	})
	switch {
	case errors.Is(err, fuel.ErrMemory):
		err = status.Wrap(status.ResourceExhausted, err, "the module is over the limit compile_memory")
	case errors.Is(err, fuel.ErrLimit):
		err = status.Wrap(status.ResourceExhausted, err, "the module takes too long to compile")
	case err != nil:
		err = status.Wrap(status.InvalidArgument, err, "the module cannot be made interruptible")
	}
	return m, err
}

// waits tells which functions of the engine wait without watching the guest's context:
// those that read and write what a guest was given. Plugins are not called any more once
// that has ended.
func waits(i fuel.Import) bool {
	return i.Module == wasiModule && (i.Name == "fd_read" || i.Name == "fd_write")
}

// withoutRefuel returns the imports of a metered guest without the one that meter
// added, which is the last.
func withoutRefuel(imports []api.FunctionDefinition) []api.FunctionDefinition {
	return imports[:len(imports)-1]
}

// refuel is called by a guest that has used up its fuel. It ends the guest when ctx
// has ended, as sleep does, and when its stack has become too large.
func refuel(ctx context.Context, _ api.Module, stack []uint64) {
	if ctx.Err() != nil {
		endGuest()
	}
	if s := instance.FromContext(ctx); s != nil && s.Limits.Stack > 0 {
		if size, ok := stackSize(s.Entered); !ok || size > s.Limits.Stack {
			panic(&stackError{s.Limits.Stack}) //nolint:forbidigo // as above
		}
	}
	stack[0] = fuel.Tank
}

// stackError ends a guest that calls functions too deep.
type stackError struct{ limit uint64 }

func (e *stackError) Error() string {
	limit := fmt.Sprintf("%d bytes", e.limit)
	if e.limit%(1<<20) == 0 {
		limit = fmt.Sprintf("%d MiB", e.limit>>20)
	}
	return fmt.Sprintf("its stack is larger than its stack_limit, which is %s: its functions call each other too deep", limit)
}

// checkStack returns an error if nobody could tell how large the stack of f becomes.
func checkStack(f api.Function) error {
	if _, ok := stackSize(f); !ok {
		return status.Error(status.Internal, "stack_limit cannot be kept, because this version of wazero hides the stack: use the version in Parigot's go.mod")
	}
	return nil
}

// stackSize returns the size of the stack of a function that runs, in bytes. wazero
// (v1.12.0) keeps it on the Go heap, doubles it when it is full, and has no function that
// tells its size. ok is false if it is not where that version has it.
func stackSize(f api.Function) (size uint64, ok bool) {
	v := reflect.ValueOf(f)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return 0, false
	}
	stack := v.Elem().FieldByName("stack")
	if !stack.IsValid() || stack.Kind() != reflect.Slice {
		return 0, false
	}
	return uint64(stack.Len()) * uint64(stack.Type().Elem().Size()), true
}
