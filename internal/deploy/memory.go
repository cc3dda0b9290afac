package deploy

import (
	"cmp"
	"os"
	"path/filepath"

	"github.com/iansmith/parigot/pluginsdk/eng"
)

// hostMemory is what a host takes beside what its guests make it hold, in bytes.
const hostMemory = 64 << 20

// moduleHeap is how much of the heap a compiled module takes for each of its bytes. One of Go's
// compiler takes 1.5, and its machine code, which is not on the heap, 4.
const moduleHeap = 2

// MemoryLimit returns how much memory the heap of the host needs at most, in bytes, by the
// limits of the file: that of compiling, and the host_memory_limit and twice the stack_limit
// of each instance; and twice the size of each module that is there when it is called. The
// memory of the guests themselves and their machine code are none of it. It is what a host
// gives debug.SetMemoryLimit.
func (f *File) MemoryLimit() int64 {
	e := f.Deployment.GetEngine()
	sum := hostMemory + cmp.Or(e.GetCompileMemory(), eng.DefaultCompileMemory)
	for _, g := range f.Deployment.GetGuests() {
		held := cmp.Or(g.GetHostMemoryLimit(), e.GetHostMemoryLimit(), eng.DefaultHostMemoryLimit)
		stack := cmp.Or(g.GetStackLimit(), e.GetStackLimit(), eng.DefaultStackLimit)
		sum += uint64(max(1, g.GetReplicas())) * (held + 2*stack)
	}
	return int64(min(sum+moduleHeap*f.moduleBytes(), 1<<62))
}

// moduleBytes returns the size of all modules that are compiled. What cannot be read is left
// out: a run or a check says so.
func (f *File) moduleBytes() (sum uint64) {
	type module struct {
		path        string
		trusted     bool
		memoryLimit uint64
	}
	seen := map[module]bool{}
	for _, g := range f.Deployment.GetGuests() {
		m := module{filepath.Clean(f.Resolve(g.GetWasm())), g.GetTrusted(), g.GetMemoryLimit()}
		info, err := os.Stat(m.path)
		if err == nil && info.Mode().IsRegular() && !seen[m] {
			sum += uint64(min(info.Size(), eng.MaxModule))
			seen[m] = true
		}
	}
	return sum
}
