package deploy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/iansmith/parigot/pluginsdk/parigotpb/deploymentpb"
)

// startOrder returns the guests, as indexes, in the order in which they start: after those
// whose services they are granted, in the order of the file otherwise, and where they
// serve each other in a circle.
func startOrder(guests []*deploymentpb.Guest) (order []int) {
	needs := servers(guests)
	placed, open := make([]bool, len(guests)), make([]int, len(guests))
	for i := range open {
		open[i] = i
	}
	for len(open) > 0 {
		next := slices.IndexFunc(open, func(i int) bool {
			return !slices.ContainsFunc(needs[i], func(server int) bool { return !placed[server] })
		})
		if next < 0 { // a circle
			next = 0
		}
		i := open[next]
		open = slices.Delete(open, next, next+1)
		placed[i] = true
		order = append(order, i)
	}
	return order
}

// servers returns for each guest those whose services it is granted.
func servers(guests []*deploymentpb.Guest) [][]int {
	needs := make([][]int, len(guests))
	for i, g := range guests {
		for j, server := range guests {
			if i != j && granted(g, server) {
				needs[i] = append(needs[i], j)
			}
		}
	}
	return needs
}

// Circles notes the guests that are granted each other's services in a circle, by the
// shortest way around: of circles that share a guest, the first. That is no error: such guests run, unless each of them looks for the next before it serves itself, which
// only a run can tell and the kernel then refuses.
func (f *File) Circles() []Finding {
	guests := f.Deployment.GetGuests()
	needs := servers(guests)
	noted := make([]bool, len(guests))
	var found []Finding
	for i := range guests {
		circle := around(needs, i)
		if len(circle) == 0 || slices.ContainsFunc(circle, func(j int) bool { return noted[j] }) {
			continue
		}
		names := make([]string, 0, len(circle)+1)
		for _, j := range append(circle, i) {
			noted[j] = true
			names = append(names, guests[j].GetName())
		}
		field := fmt.Sprintf("guests[%d]", i)
		p := f.doc.at(field)
		found = append(found, Finding{f.Path, p.line, p.column, field, "guests are granted each other's services in a circle: " +
			strings.Join(names, " → ") + ": one of them has to serve before it looks for the next"})
	}
	return found
}

// around returns the shortest way from a guest over those it needs back to it, without its end,
// or nil.
func around(needs [][]int, start int) []int {
	from := map[int]int{}
	for open := []int{start}; len(open) > 0; open = open[1:] {
		for _, next := range needs[open[0]] {
			if next == start {
				way := []int{open[0]}
				for way[0] != start {
					way = slices.Insert(way, 0, from[way[0]])
				}
				return way
			}
			if _, seen := from[next]; !seen {
				from[next] = open[0]
				open = append(open, next)
			}
		}
	}
	return nil
}

// granted reports whether a guest is granted something that the other one serves.
func granted(g, server *deploymentpb.Guest) bool {
	for _, service := range server.GetServes() {
		for _, grant := range g.GetGrants() {
			if grant == service || strings.HasPrefix(grant, service+".") {
				return true
			}
		}
	}
	return false
}
