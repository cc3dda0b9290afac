package eng

import (
	"context"
	"strings"

	"github.com/iansmith/parigot/internal/instance"
)

// Grants are the powers of a guest: what it may call, and what it may serve to other
// guests. Nothing else is allowed, so the zero value allows nothing but what every
// guest may do, which is to run.
//
// Calls names services ("file.v1.File") or single methods ("file.v1.File.Open"),
// whoever implements them: a plugin or another guest. Serves names services.
type Grants = instance.Grants

// WithGrants restricts what instances of a guest may do to g. A guest that imports a
// function that is not granted does not start: [Guest.CheckImports] names all of
// them. Plugins that let guests call each other ask [GrantsOf]. Without this option a
// guest may do everything.
func WithGrants(g Grants) GuestOption {
	return guestOption(func(c *guestConfig) { c.grants = &g })
}

// GrantsOf returns what the guest that makes the call of ctx may do, or nil when that
// is everything: for guests without [WithGrants], and for native code. Ask the result
// with its methods MayCall, MayFind and MayServe, which nil has, too. Do not change it.
func GrantsOf(ctx context.Context) *Grants {
	if s := instance.FromContext(ctx); s != nil {
		return s.Grants
	}
	return nil
}

// methodName returns the full name of a function's service, and the name of its
// method: those of the import when it is no protobuf method.
func methodName(module string, f Function) (service, method string) {
	if i := strings.LastIndexByte(f.Method, '.'); i > 0 {
		return f.Method[:i], f.Method[i+1:]
	}
	return module, f.Name
}
