package eng

import (
	"slices"
	"strconv"
)

const (
	// roomForGarbage is the memory beside what a guest begins with, in bytes, from which on
	// its collector may take its time. With less, Go's own setting is better.
	roomForGarbage = 64 << 20
	// patientCollector is GOGC for it: the collector runs when there is four times as much
	// as was in use, and from 12 MiB on.
	patientCollector = "300"
)

// collectorEnv returns the variables that tell a Go guest's garbage collector how much
// memory there is, as the guest cannot know. What env has already stays as it is, and so
// does what the guest itself sets.
//
// By default the collector runs whenever the heap has doubled, from 4 MiB on, which is
// soon where requests are large. A guest has one thread: it waits meanwhile. And where
// collecting takes half of its time Go no longer has those help who allocate, and
// nothing else runs that could collect, until the memory is full. The figures are in
// docs/rationale.md.
func collectorEnv(env [][2]string, initial, limit uint64) [][2]string {
	if limit <= initial {
		return env
	}
	room := limit - initial
	// The rest is for what the collector does not count, and for what a large object
	// needs in one piece.
	add := [][2]string{{"GOMEMLIMIT", strconv.FormatUint(room/4*3, 10)}}
	if room >= roomForGarbage {
		add = append(add, [2]string{"GOGC", patientCollector})
	}
	for _, kv := range add {
		if !slices.ContainsFunc(env, func(have [2]string) bool { return have[0] == kv[0] }) {
			env = append(slices.Clip(env), kv)
		}
	}
	return env
}

// initialMemory returns the size of the memory that instances begin with, in bytes.
func (g *Guest) initialMemory() (size uint64) {
	for _, m := range g.compiled.ExportedMemories() {
		size = max(size, uint64(m.Min())*pageSize)
	}
	return size
}
