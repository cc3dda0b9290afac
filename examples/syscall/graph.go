//go:build !wasip1

package syscall

import (
	"context"
	"slices"
	"strings"

	"github.com/iansmith/parigot/pluginsdk/id"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

// edge says that one service requires another. It is there as long as one guest
// holds it.
type edge struct {
	src, dest *service
	holders   []*hostInfo // nil for an edge that nobody asked for
}

// needed reports whether h, which may be nil, has to wait for e. What replicas
// serve needs the same for all of them. A client stands for one guest: those
// of one name need not do the same.
func (e *edge) needed(h *hostInfo) bool {
	return h == nil || !e.src.client || slices.Contains(e.holders, h)
}

// Import implements [SyscallData].
func (d *syscallData) Import(ctx context.Context, src, dest id.ServiceId) syscallpb.KernelErr {
	d.mu.Lock()
	defer d.mu.Unlock()
	from, to := d.byID[src], d.byID[dest]
	if from == nil || to == nil {
		because(ctx, "no such service is known")
		return syscallpb.KernelErr_NotFound
	}
	h := askerOf(ctx).host
	e := from.edgeTo(to)
	switch {
	case e != nil && slices.Contains(e.holders, h):
		because(ctx, from.name.String()+" requires "+to.name.String()+" already")
		return syscallpb.KernelErr_ServiceAlreadyRequired
	case e != nil:
		e.holders = append(e.holders, h)
		return syscallpb.KernelErr_NoError
	}
	if path := to.pathTo(from, map[*service]bool{}); path != nil {
		because(ctx, "services would require each other in a ring: "+ring(append([]string{from.name.String()}, path...)))
		return syscallpb.KernelErr_DependencyCycle
	}
	e = &edge{src: from, dest: to, holders: []*hostInfo{h}}
	from.requires, to.requiredBy = append(from.requires, e), append(to.requiredBy, e)
	return syscallpb.KernelErr_NoError
}

// unimport lets go of the edge from src to dest that h holds.
func (d *syscallData) unimport(h *hostInfo, from, to *service) {
	e := from.edgeTo(to)
	if e == nil {
		return
	}
	e.holders = slices.DeleteFunc(e.holders, func(o *hostInfo) bool { return o == h })
	if len(e.holders) > 0 {
		return
	}
	same := func(o *edge) bool { return o == e }
	from.requires, to.requiredBy = slices.DeleteFunc(from.requires, same), slices.DeleteFunc(to.requiredBy, same)
	from.wake(syscallpb.KernelErr_NoError, "")
	d.free(to)
}

func (s *service) edgeTo(dest *service) *edge {
	// A guest requires few services, and this is not on the path of a call.
	for _, e := range s.requires {
		if e.dest == dest {
			return e
		}
	}
	return nil
}

// PathExists implements [SyscallData].
func (d *syscallData) PathExists(_ context.Context, source, target string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	from, to := d.byName[splitName(source)], d.byName[splitName(target)]
	return from != nil && to != nil && from != to && from.pathTo(to, map[*service]bool{}) != nil
}

func splitName(full string) serviceName {
	if guest, ok := strings.CutPrefix(full, clientPackage+"."); ok {
		return serviceName{clientPackage, guest}
	}
	if dot := strings.LastIndexByte(full, '.'); dot >= 0 {
		return serviceName{full[:dot], full[dot+1:]}
	}
	return serviceName{short: full}
}

// pathTo returns the names of the services on the way from s to target, both
// included, or nil.
func (s *service) pathTo(target *service, seen map[*service]bool) []string {
	if s == target {
		return []string{s.name.String()}
	}
	seen[s] = true
	for _, e := range s.requires {
		if seen[e.dest] {
			continue
		}
		if path := e.dest.pathTo(target, seen); path != nil {
			return append([]string{s.name.String()}, path...)
		}
	}
	return nil
}

// ring prints names that lead back to the first.
func ring(names []string) string { return strings.Join(names, " → ") }
