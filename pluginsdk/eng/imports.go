package eng

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tetratelabs/wazero/api"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// CheckImports reports everything that the guest imports and nobody registered, that is
// not granted to it, or that it was built for another form of, see package contract, in
// one error with the code FAILED_PRECONDITION. Starting an instance checks the same.
func (g *Guest) CheckImports() error {
	g.host.mu.Lock()
	defer g.host.mu.Unlock()
	return g.host.checkImports(g)
}

// prepare checks the guest's imports and connects them.
func (g *Guest) prepare(ctx context.Context) error {
	deprecated, err := g.connectImports(ctx)
	if err == nil && len(deprecated) > 0 {
		g.host.config.logger.InfoContext(ctx, "a guest imports deprecated functions", "guest", g.name, "functions", deprecated)
	}
	return err
}

// connectImports is prepare without its log. It returns the deprecated imports.
func (g *Guest) connectImports(ctx context.Context) (deprecated []string, err error) {
	g.host.mu.Lock()
	defer g.host.mu.Unlock()
	if g.host.closed {
		return nil, errClosed()
	}
	if err := g.host.checkImports(g); err != nil {
		return nil, err
	}
	for _, d := range g.imports {
		module, _, _ := d.Import()
		if err := g.host.connect(ctx, g.box, module); err != nil {
			return nil, err
		}
	}
	return g.host.deprecatedImports(g.imports), nil
}

// checkImports looks for everything that a guest imports. All that is wrong is
// in the one error it returns. The caller holds h.mu.
func (h *Host) checkImports(g *Guest) error {
	var lines []string
	for _, d := range g.imports {
		module, name, _ := d.Import()
		problem := h.checkImport(g, module, name, d)
		if problem == "" && module != wasiModule && !g.outline.hasMemory {
			problem = "the guest has no memory to pass messages in"
		}
		if problem != "" {
			lines = append(lines, importLine(module, name, problem))
		}
	}
	for _, f := range g.outline.foreign {
		lines = append(lines, importLine(f.module, f.name, "a "+f.kind+": guests have their own, and import functions only"))
	}
	lines = append(lines, h.contractLines(g)...)
	if lines == nil {
		return nil
	}
	slices.Sort(lines)
	lines = slices.Compact(lines)
	count := len(lines)
	if count > maxLines {
		lines = append(lines[:maxLines], fmt.Sprintf("  and %d more", count-maxLines))
	}
	return status.Errorf(status.FailedPrecondition, "guest %q cannot start, %d of its imports cannot be met:\n%s",
		g.name, count, strings.Join(lines, "\n"))
}

// maxLines bounds the list that an error holds, since a guest chooses how long it
// is.
const maxLines = 100

// maxNameShown bounds a name in such a list, in bytes.
const maxNameShown = 256

// importLine quotes names that could pass for something else in a log, and cuts long ones.
func importLine(module, name, problem string) string {
	full := cutName(module) + "." + cutName(name)
	if quoted := strconv.Quote(full); quoted != `"`+full+`"` {
		full = quoted
	}
	return "  " + full + ": " + problem
}

func cutName(name string) string {
	if len(name) > maxNameShown {
		return name[:maxNameShown] + "..."
	}
	return name
}

// deprecatedImports returns the deprecated functions among those that a guest
// imports. The caller holds h.mu.
func (h *Host) deprecatedImports(imports []api.FunctionDefinition) []string {
	var names []string
	for _, d := range imports {
		module, name, _ := d.Import()
		if m := h.modules[module]; m != nil && m.isDeprecated(name) {
			names = append(names, module+"."+name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// checkImport returns what is wrong with one import, or "".
func (h *Host) checkImport(g *Guest, module, name string, d api.FunctionDefinition) string {
	switch module {
	case wasiModule:
		b := g.box
		if b.wasi[name] == nil {
			return "no such function in WASI preview 1"
		}
		return mismatch(d, signature{b.wasi[name].ParamTypes(), b.wasi[name].ResultTypes()})
	case abi.Module:
		switch name {
		case abi.Take, abi.Request:
			return mismatch(d, takeSignature)
		case abi.TimeLeft:
			return mismatch(d, timeLeftSignature)
		case abi.Header:
			return mismatch(d, headerSignature)
		case abi.Await:
			return mismatch(d, awaitSignature)
		case abi.Cancel:
			return mismatch(d, cancelSignature)
		}
		return "no such function in ABI v1"
	}
	m := h.modules[module]
	if m == nil {
		return "no plugin registered this module"
	}
	f, ok := m.function(name)
	if !ok {
		return "the plugin has no such function, it has " + strings.Join(m.names(), ", ")
	}
	if service, method := methodName(module, f); !g.config.grants.MayCall(service, method) {
		return fmt.Sprintf("not granted: grant %s.%s, or all of %s", service, method, service)
	}
	return mismatch(d, callSignature)
}

func mismatch(d api.FunctionDefinition, want signature) string {
	if want.matches(d) {
		return ""
	}
	return fmt.Sprintf("the guest declares it as %s, the host has %s",
		signature{d.ParamTypes(), d.ResultTypes()}, want)
}

func (m *hostModule) isDeprecated(name string) bool {
	return slices.ContainsFunc(m.functions, func(f Function) bool { return f.Deprecated && f.Name == name })
}

// names returns the names of the functions, or the word none.
func (m *hostModule) names() []string {
	if len(m.functions) == 0 {
		return []string{"none"}
	}
	names := make([]string, len(m.functions))
	for i, f := range m.functions {
		names[i] = f.Name
	}
	return names
}
