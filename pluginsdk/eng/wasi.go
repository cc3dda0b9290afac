package eng

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"github.com/tetratelabs/wazero/sys"

	"github.com/iansmith/parigot/internal/instance"
	"github.com/iansmith/parigot/internal/rootfs"
)

// Limits of one call of a WASI function. A call past one fails with the number beside it,
// before wazero looks at it. docs/security.md lists them.
const (
	maxIovecs        = 1024           // of one read or write: INVAL
	maxPath          = rootfs.MaxPath // bytes of a path: NAMETOOLONG
	maxDirBuffer     = 1 << 20        // bytes for the entries of a directory: INVAL
	maxSubscriptions = 4096           // of poll_oneoff: INVAL
	maxDescriptor    = 1<<16 - 1
)

// workChunk is how many bytes the engine moves for a guest before it looks whether the guest
// is to end: a millisecond's work.
const workChunk = 64 << 10

// bound is the largest value that a parameter of a WASI function may have.
type bound struct {
	param int
	most  uint32
	errno uint64
}

// wasiBounds are the bounds of the functions that have some.
var wasiBounds = map[string][]bound{
	"fd_pread":   {{2, maxIovecs, wasiInval}},
	"fd_pwrite":  {{2, maxIovecs, wasiInval}},
	"fd_read":    {{2, maxIovecs, wasiInval}},
	"fd_write":   {{2, maxIovecs, wasiInval}},
	"sock_recv":  {{2, maxIovecs, wasiInval}},
	"sock_send":  {{2, maxIovecs, wasiInval}},
	"fd_readdir": {{2, maxDirBuffer, wasiInval}},
	// Its descriptors are as many as the largest number.
	"fd_renumber": {{0, maxDescriptor, wasiBadFD}, {1, maxDescriptor, wasiBadFD}},

	// Go's library opens at descriptor -1 what is below none of the guest's directories. wazero
	// says BADF then, and a guest that has no time zones, for example, would print "Bad file number".
	"path_create_directory":   {{0, maxDescriptor, wasiNoEnt}, {2, maxPath, wasiNameTooLong}},
	"path_filestat_get":       {{0, maxDescriptor, wasiNoEnt}, {3, maxPath, wasiNameTooLong}},
	"path_filestat_set_times": {{0, maxDescriptor, wasiNoEnt}, {3, maxPath, wasiNameTooLong}},
	"path_link":               {{0, maxDescriptor, wasiNoEnt}, {4, maxDescriptor, wasiNoEnt}, {3, maxPath, wasiNameTooLong}, {6, maxPath, wasiNameTooLong}},
	"path_open":               {{0, maxDescriptor, wasiNoEnt}, {3, maxPath, wasiNameTooLong}},
	"path_readlink":           {{0, maxDescriptor, wasiNoEnt}, {2, maxPath, wasiNameTooLong}},
	"path_remove_directory":   {{0, maxDescriptor, wasiNoEnt}, {2, maxPath, wasiNameTooLong}},
	"path_rename":             {{0, maxDescriptor, wasiNoEnt}, {3, maxDescriptor, wasiNoEnt}, {2, maxPath, wasiNameTooLong}, {5, maxPath, wasiNameTooLong}},
	"path_symlink":            {{2, maxDescriptor, wasiNoEnt}, {1, maxPath, wasiNameTooLong}, {4, maxPath, wasiNameTooLong}},
	"path_unlink_file":        {{0, maxDescriptor, wasiNoEnt}, {2, maxPath, wasiNameTooLong}},

	"poll_oneoff": {{2, maxSubscriptions, wasiInval}},
}

// wasiFunctions are those that wazero offers.
var wasiFunctions = sync.OnceValues(func() (map[string]api.FunctionDefinition, error) {
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	b := r.NewHostModuleBuilder(wasiModule)
	wasi_snapshot_preview1.NewFunctionExporter().ExportFunctions(b)
	compiled, err := b.Compile(ctx)
	if err != nil {
		return nil, err
	}
	functions := compiled.ExportedFunctions()
	return functions, r.Close(ctx)
})

// exportWASI exports the functions that wazero offers, each within its bounds. The work that
// one call may cause is cut into pieces where it is done, in the files and streams of a
// guest: see [Instance.check]. overlaps says that the guest's calls may be pending.
func exportWASI(b wazero.HostModuleBuilder, overlaps bool) error {
	functions, err := wasiFunctions()
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(functions)) {
		d := functions[name]
		f, ok := d.GoFunction().(api.GoModuleFunction)
		if !ok {
			return fmt.Errorf("wazero has no function %s", name)
		}
		switch {
		case name == "random_get":
			f = api.GoModuleFunc(randomGet)
		case name == "fd_filestat_set_times":
			f = bounded(setTimes(f), nil)
		case !quick.MatchString(name):
			f = bounded(f, wasiBounds[name])
		}
		if overlaps {
			f = polling(name, f)
		}
		b.NewFunctionBuilder().
			WithGoModuleFunction(f, d.ParamTypes(), d.ResultTypes()).
			WithName(name).
			WithParameterNames(d.ParamNames()...).
			WithResultNames(d.ResultNames()...).
			Export(name)
	}
	return nil
}

// quick matches the functions that take no longer than an instruction or two of the guest,
// which is ended by those.
var quick = regexp.MustCompile("^(args|environ|clock|proc|sched)_")

// setTimes is fd_filestat_set_times of wazero (v1.12.0), which panics for a standard stream.
func setTimes(f api.GoModuleFunction) api.GoModuleFunc {
	return func(ctx context.Context, m api.Module, stack []uint64) {
		if api.DecodeU32(stack[0]) < firstFile {
			stack[0] = wasiNotSup
			return
		}
		f.Call(ctx, m, stack)
	}
}

// firstFile is the lowest descriptor that is no standard stream.
const firstFile = 3

// bounded is f for parameters within bounds, and for a guest that is not to end: many calls
// that take a millisecond are few instructions. It gives its failures numbers that wazero does
// not have.
func bounded(f api.GoModuleFunction, bounds []bound) api.GoModuleFunc {
	return func(ctx context.Context, m api.Module, stack []uint64) {
		if ctx.Err() != nil {
			endGuest()
		}
		for _, b := range bounds {
			if api.DecodeU32(stack[b.param]) > b.most {
				stack[0] = b.errno
				return
			}
		}
		f.Call(ctx, m, stack)
		if stack[0] != wasiOK {
			precise(ctx, stack)
		}
	}
}

// precise replaces the number that a call failed with by the one that the guest's files left.
func precise(ctx context.Context, stack []uint64) {
	if s := instance.FromContext(ctx); s != nil && s.Errno != 0 {
		stack[0], s.Errno = uint64(s.Errno), 0
	}
}

// randomGet is random_get in pieces.
func randomGet(ctx context.Context, m api.Module, stack []uint64) {
	b, ok := m.Memory().Read(api.DecodeU32(stack[0]), api.DecodeU32(stack[1]))
	if !ok {
		stack[0] = wasiFault
		return
	}
	for chunk := range slices.Chunk(b, workChunk) {
		_, _ = rand.Read(chunk) // it never fails
		if ctx.Err() != nil {
			endGuest()
		}
	}
	stack[0] = wasiOK
}

// endGuest ends a guest from a function that it called: its context has ended.
func endGuest() {
	panic(sys.NewExitError(sys.ExitCodeContextCanceled)) //nolint:forbidigo // wazero's way to end a guest from a host function
}

// check ends the guest if it is to end. What works for the guest calls it between two
// pieces of its work.
func (i *Instance) check() {
	if i.running.Err() != nil {
		endGuest()
	}
}
