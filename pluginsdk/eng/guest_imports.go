package eng

import (
	"cmp"
	"slices"

	"github.com/iansmith/parigot/internal/abi"
)

// Import is a function of a plugin that a guest imports.
type Import struct {
	// Module and Name are those of the import, such as "file.v1.File" and "Open".
	Module, Name string
	// Service and Method are the protobuf service and its method, which grants name;
	// those of the import when nobody has registered it.
	Service, Method string
	// Registered says that a plugin has registered the function.
	Registered bool
	// Granted says that the guest may call it.
	Granted bool
}

// Imports returns the functions of plugins that the guest imports, without those of WASI
// and of the engine, sorted by module and name. What is wrong with them says
// [Guest.CheckImports].
func (g *Guest) Imports() []Import {
	g.host.mu.Lock()
	defer g.host.mu.Unlock()
	var out []Import
	for _, d := range g.imports {
		module, name, _ := d.Import()
		if module == wasiModule || module == abi.Module {
			continue
		}
		i := Import{Module: module, Name: name, Service: module, Method: name}
		if m := g.host.modules[module]; m != nil {
			var f Function
			if f, i.Registered = m.function(name); i.Registered {
				i.Service, i.Method = methodName(module, f)
			}
		}
		i.Granted = g.config.grants.MayCall(i.Service, i.Method)
		out = append(out, i)
	}
	slices.SortFunc(out, func(a, b Import) int {
		return cmp.Or(cmp.Compare(a.Module, b.Module), cmp.Compare(a.Name, b.Name))
	})
	return slices.Compact(out)
}
