package eng

import (
	"context"
	"strconv"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/iansmith/parigot/internal/contract"
	"github.com/iansmith/parigot/internal/instance"
)

// contractLines returns what does not fit between what a guest was built for and what
// is registered, a line for each. The caller holds h.mu.
//
// Functions stay as they were registered, so a guest that fitted fits from then on.
func (h *Host) contractLines(g *Guest) []string {
	c := g.contract
	if c == nil || g.fits {
		return nil
	}
	if v := c.Proto().GetAbiVersion(); v > contract.ABIVersion {
		return []string{"  it was built for version " + strconv.FormatUint(uint64(v), 10) + " of the ABI, and the host knows version 1: update the host, or build the guest with an older parigot"}
	}
	registered := true
	problems := c.Compare(func(module, function string) protoreflect.MethodDescriptor {
		d, ok := h.descriptor(module, function)
		registered = registered && ok
		return d
	})
	g.fits = registered && len(problems) == 0
	var lines []string
	for _, p := range problems {
		lines = append(lines, importLine(p.Module, p.Function, "it "+p.String()))
	}
	return lines
}

// descriptor returns the method that a function is, or nil when that is not known, and
// whether the function is registered.
func (h *Host) descriptor(module, function string) (protoreflect.MethodDescriptor, bool) {
	m := h.modules[module]
	if m == nil {
		return nil, false
	}
	f, ok := m.function(function)
	if f.Descriptor == nil {
		return nil, ok
	}
	return f.Descriptor(), ok
}

// ContractOf returns what the guest that makes the call of ctx was built for, or nil when it
// does not say, and for native code. Plugins that let guests call each other compare those of
// the two.
func ContractOf(ctx context.Context) *contract.Contract {
	if s := instance.FromContext(ctx); s != nil {
		return s.Contract
	}
	return nil
}

// Contract returns what the guest says that it was built for, or nil when it says
// nothing: see package contract.
func (g *Guest) Contract() *contract.Contract { return g.contract }
