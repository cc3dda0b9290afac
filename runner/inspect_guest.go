package runner

import (
	"bytes"
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/iansmith/parigot/internal/contract"
	"github.com/iansmith/parigot/internal/wasm"
	"github.com/iansmith/parigot/pluginsdk/parigotpb/contractpb"
)

const wasmPage = 64 << 10

// guest fills in what is in a WebAssembly module.
func (i *inspection) guest(b []byte) error {
	m, err := wasm.Parse(b)
	if err != nil {
		return err
	}
	i.Imports = importsOf(m)
	for _, e := range m.Exports {
		i.Exports = append(i.Exports, e.Name)
	}
	slices.Sort(i.Exports)
	if m.Memory != nil {
		i.Memory = &memoryInfo{Min: uint64(m.Memory.Min) * wasmPage, Max: uint64(m.Memory.Max) * wasmPage}
	}
	sections := map[string]int{}
	for _, s := range m.Sections {
		sections[sectionName(s)] += s.Size
	}
	i.Sections = bySize(sections)
	if err := i.readContract(b); err != nil {
		return err
	}
	i.Packages, err = packages(m, i.Modules)
	return err
}

// readContract reads the contract, or finds out what it would be.
func (i *inspection) readContract(b []byte) error {
	c, err := contract.Read(b)
	if err != nil {
		return err
	}
	i.ContractSection = c != nil
	if c == nil {
		if c, i.Notes, err = contract.Of(b); err != nil {
			return err
		}
	}
	return i.setContract(c)
}

func contractWithout(m *contractpb.Contract) *contractpb.Contract {
	return &contractpb.Contract{
		AbiVersion: m.GetAbiVersion(), ParigotVersion: m.GetParigotVersion(), Services: m.GetServices(),
	}
}

func importsOf(m *wasm.Module) []importInfo {
	byModule := map[string][]string{}
	for _, i := range m.Imports {
		byModule[i.Module] = append(byModule[i.Module], i.Name)
	}
	var imports []importInfo
	for _, module := range slices.Sorted(maps.Keys(byModule)) {
		functions := byModule[module]
		slices.Sort(functions)
		imports = append(imports, importInfo{module, slices.Compact(functions)})
	}
	return imports
}

func sectionName(s wasm.Section) string {
	switch {
	case s.ID == wasm.SectionCustom:
		return "custom " + s.Name
	case int(s.ID) < len(wasm.SectionNames):
		return wasm.SectionNames[s.ID]
	}
	return "unknown"
}

// bySize returns sizes by their names, the largest first.
func bySize(sizes map[string]int) []sizeInfo {
	list := make([]sizeInfo, 0, len(sizes))
	for name, size := range sizes {
		list = append(list, sizeInfo{name, size})
	}
	slices.SortFunc(list, func(a, b sizeInfo) int {
		return cmp.Or(-cmp.Compare(a.Size, b.Size), cmp.Compare(a.Name, b.Name))
	})
	return list
}

// packager tells which package a function belongs to. In the name section of a module
// "_" stands for all that is neither a letter nor a digit nor a dot, so that names of
// packages have to be guessed, and are then looked for among the names that Go's own
// table of functions has.
type packager struct {
	modules []string // as they are in the name section
	memory  []wasm.Piece
	names   map[string]string
}

const fromCompiler = "(made by the compiler)"

func (p *packager) of(function string) string {
	switch {
	case function == "":
		return "(without a name)"
	case strings.HasPrefix(function, "type_"), strings.HasPrefix(function, "go_"):
		return fromCompiler
	}
	start := 0
	for _, m := range p.modules {
		if len(m) > start && strings.HasPrefix(function, m) && strings.ContainsAny(function[len(m):][:1], "._") {
			start = len(m)
		}
	}
	dot := strings.IndexByte(function[start:], '.')
	if dot < 0 {
		return fromCompiler
	}
	return p.spell(function[:start+dot])
}

// spell returns the import path of a package.
func (p *packager) spell(name string) string {
	if known, ok := p.names[name]; ok {
		return known
	}
	spelled := name
	if path := strings.ReplaceAll(name, "_", "/"); path != name && p.contains(path+".") {
		spelled = path
	}
	p.names[name] = spelled
	return spelled
}

func (p *packager) contains(text string) bool {
	return slices.ContainsFunc(p.memory, func(m wasm.Piece) bool { return bytes.Contains(m.Bytes, []byte(text)) })
}

// packages returns how much code each package has.
func packages(m *wasm.Module, modules []moduleInfo) ([]sizeInfo, error) {
	functions, err := m.Functions()
	if err != nil {
		return nil, err
	}
	memory, err := m.Image()
	if err != nil {
		return nil, err
	}
	p := packager{memory: memory, names: map[string]string{}, modules: []string{"vendor_golang.org"}}
	for _, mod := range modules {
		p.modules = append(p.modules, unspelled.ReplaceAllString(mod.Path, "_"))
	}
	sizes := map[string]int{}
	for _, f := range functions {
		sizes[p.of(f.Name)] += f.Size
	}
	return bySize(sizes), nil
}

// unspelled is what the name section has "_" for.
var unspelled = regexp.MustCompile(`[^A-Za-z0-9.]`)
