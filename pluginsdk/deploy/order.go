package deploy

import (
	"slices"
	"strings"

	"github.com/iansmith/parigot/pluginsdk/parigotpb/deploymentpb"
)

// startOrder returns the guests, as indexes, in the order in which they start: after those
// whose services they are granted, in the order of the file otherwise, and where they
// serve each other in a circle.
func startOrder(guests []*deploymentpb.Guest) (order []int) {
	needs := make([][]int, len(guests))
	for i, g := range guests {
		for j, server := range guests {
			if i != j && granted(g, server) {
				needs[i] = append(needs[i], j)
			}
		}
	}
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
