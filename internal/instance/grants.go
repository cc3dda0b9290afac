package instance

import (
	"slices"
	"strings"
)

// Grants are what a guest may call and serve. See eng.Grants.
type Grants struct {
	// Calls are full names of services, or of single methods.
	Calls []string
	// Serves are full names of services.
	Serves []string
}

// MayCall reports whether a method of a service is granted; g may be nil, which
// grants everything. Full names are unique, so that of a service is not that of a
// method too.
func (g *Grants) MayCall(service, method string) bool {
	return g == nil || slices.Contains(g.Calls, service) || slices.Contains(g.Calls, service+"."+method)
}

// MayFind reports whether a service, or any method of it, is granted; g may be nil.
func (g *Grants) MayFind(service string) bool {
	if g == nil || slices.Contains(g.Calls, service) {
		return true
	}
	return slices.ContainsFunc(g.Calls, func(granted string) bool {
		rest, ok := strings.CutPrefix(granted, service+".")
		return ok && !strings.Contains(rest, ".")
	})
}

// MayServe reports whether serving a service is granted; g may be nil.
func (g *Grants) MayServe(service string) bool {
	return g == nil || slices.Contains(g.Serves, service)
}
