package deploy

import (
	"cmp"

	"github.com/iansmith/parigot/pluginsdk/eng"
)

// hostMemory is what a host takes beside what its guests make it hold, in bytes.
const hostMemory = 64 << 20

// MemoryLimit returns how much memory the heap of the host needs at most, in bytes, by the
// limits of the file: that of compiling, and the host_memory_limit and twice the stack_limit
// of each instance. The memory of the guests themselves is none of it. It is what a host
// gives debug.SetMemoryLimit.
func (f *File) MemoryLimit() int64 {
	e := f.Deployment.GetEngine()
	sum := hostMemory + cmp.Or(e.GetCompileMemory(), eng.DefaultCompileMemory)
	for _, g := range f.Deployment.GetGuests() {
		held := cmp.Or(g.GetHostMemoryLimit(), e.GetHostMemoryLimit(), eng.DefaultHostMemoryLimit)
		stack := cmp.Or(g.GetStackLimit(), e.GetStackLimit(), eng.DefaultStackLimit)
		sum += uint64(max(1, g.GetReplicas())) * (held + 2*stack)
	}
	return int64(min(sum, 1<<62))
}
