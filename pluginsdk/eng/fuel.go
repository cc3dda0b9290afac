package eng

import (
	"context"

	"github.com/tetratelabs/wazero/api"

	"github.com/iansmith/parigot/pluginsdk/internal/abi"
	"github.com/iansmith/parigot/pluginsdk/internal/fuel"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// refuelName is the function of the module parigot that only the checks in a metered
// guest call. It is no part of the ABI: the engine does not connect it for a guest that
// imports it by itself.
const refuelName = "refuel"

var refuelSignature = signature{results: []api.ValueType{i64}}

// meter puts the checks into a module by which its instances can be stopped.
//
// wazero has checks of its own. Each of them leaves the guest, which takes ten
// nanoseconds where a short loop takes one. These count first, and leave the guest
// after a fraction of a millisecond: it has to, as Go's scheduler and garbage collector
// cannot stop a goroutine anywhere else. A flag that somebody else sets would not do,
// since nobody else may run while a collection waits for the guest.
func meter(wasm []byte) ([]byte, error) {
	metered, err := fuel.Meter(wasm, fuel.Import{Module: abi.Module, Name: refuelName}, waits)
	if err != nil {
		return nil, status.Wrap(status.InvalidArgument, err, "the module cannot be made interruptible")
	}
	return metered, nil
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
// has ended, as sleep does.
func refuel(ctx context.Context, _ api.Module, stack []uint64) {
	if ctx.Err() != nil {
		endGuest()
	}
	stack[0] = fuel.Tank
}
