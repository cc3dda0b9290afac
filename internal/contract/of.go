package contract

import (
	"bytes"
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/internal/wasm"
	"github.com/iansmith/parigot/pluginsdk/parigotpb/contractpb"
	"github.com/iansmith/parigot/pluginsdk/parigotpb/optionspb"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// Of returns the contract that a Go guest's module was built for, found in the module
// itself. Of services whose descriptors are not in it the contract has the names of the
// imports alone, and notes say why, one sentence each: a host cannot compare them. The
// error is INVALID_ARGUMENT when module is none.
//
// Descriptors are there when the Go code of the service's proto file is linked, which
// is so when the service uses one of its messages.
func Of(module []byte) (c *Contract, notes []string, err error) {
	m, err := wasm.Parse(module)
	if err != nil {
		return nil, nil, status.Error(status.InvalidArgument, err.Error())
	}
	memory, err := m.Image()
	if err != nil {
		return nil, nil, status.Wrap(status.InvalidArgument, err, "the module's data")
	}
	f := newFinder(memory)
	f.message.GoVersion = goVersion(m.Sections)
	f.calls(m.Imports)
	f.others()
	if f.message.GetModules() == nil {
		f.notes = append(f.notes, errNoGo.Error()+", so its modules are not known")
	}
	f.finish()
	c, err = Parse(f.message)
	return c, f.notes, err
}

// finder collects a contract.
type finder struct {
	memory   []wasm.Piece
	services map[protoreflect.FullName]protoreflect.ServiceDescriptor
	symbols  map[string][]string // see symbolsIn
	problems map[string]error    // with files
	message  *contractpb.Contract
	notes    []string
	used     []protoreflect.MethodDescriptor
}

func newFinder(memory []wasm.Piece) *finder {
	found, complete := findFiles(memory)
	files, problems := linkFiles(found)
	if !complete {
		problems["too many"] = errors.New("the module has too many descriptors, or what looks like some: the others are left out")
	}
	f := &finder{memory: memory, services: allServices(files), symbols: symbolsIn(memory), problems: problems}
	f.message = &contractpb.Contract{AbiVersion: ABIVersion}
	if info, err := buildInfo(memory); err == nil {
		f.message.GoPackage, f.message.Modules = info.Path, modulesOf(info)
		f.message.ParigotVersion = VersionText(findModule(f.message.GetModules(), parigotModule))
	}
	return f
}

// calls finds the services whose methods the module imports.
func (f *finder) calls(imports []wasm.Import) {
	byModule := map[string][]string{}
	for _, i := range imports {
		if i.Kind == wasm.KindFunction && i.Module != abi.Module && !strings.HasPrefix(i.Module, "wasi_") {
			byModule[i.Module] = append(byModule[i.Module], i.Name)
		}
	}
	imported := map[string][]protoreflect.ServiceDescriptor{}
	for _, name := range slices.Sorted(maps.Keys(f.services)) {
		module := importModule(f.services[name])
		imported[module] = append(imported[module], f.services[name])
	}
	for _, module := range slices.Sorted(maps.Keys(byModule)) {
		functions := slices.Compact(slices.Sorted(slices.Values(byModule[module])))
		for _, s := range imported[module] {
			functions = f.service(s, module, functions)
		}
		if len(functions) > 0 {
			f.unknown(module, functions)
		}
	}
}

// service adds those of the functions that are methods of s, and returns the others.
func (f *finder) service(d protoreflect.ServiceDescriptor, module string, functions []string) (others []string) {
	var used []protoreflect.MethodDescriptor
	s := &contractpb.Service{Name: string(d.FullName()), Module: module, Calls: true}
	for _, function := range functions {
		m := methodOf(d, function)
		if m == nil {
			others = append(others, function)
			continue
		}
		used = append(used, m)
		s.Methods = append(s.Methods, &contractpb.Method{Name: string(m.Name()), Function: function})
	}
	if used != nil {
		f.add(s, used)
	}
	return others
}

// unknown adds the functions of a module that no descriptor tells of.
func (f *finder) unknown(module string, functions []string) {
	s := &contractpb.Service{Name: module, Module: module, Calls: true}
	for _, function := range functions {
		s.Methods = append(s.Methods, &contractpb.Method{Name: function, Function: function})
	}
	f.message.Services = append(f.message.Services, s)
	f.notes = append(f.notes, "there are no descriptors of "+module+" in the module")
	for _, path := range slices.Sorted(maps.Keys(f.problems)) {
		f.notes = append(f.notes, f.problems[path].Error())
	}
	f.problems = nil // said once
}

// add adds a service with the descriptors of the methods that are used.
func (f *finder) add(s *contractpb.Service, used []protoreflect.MethodDescriptor) {
	s.GoModule = moduleOf(used[0].ParentFile(), f.message.GetModules())
	slices.SortFunc(s.Methods, func(a, b *contractpb.Method) int { return cmp.Compare(a.GetName(), b.GetName()) })
	f.message.Services = append(f.message.Services, s)
	if name := reachOf(used).missing(); name != "" {
		f.notes = append(f.notes, "the descriptor of "+string(name)+", which "+s.GetName()+" uses, is not in the module")
		return
	}
	s.Hash = hashOf(used)
	f.used = append(f.used, used...)
}

// others finds the services that the guest serves to other guests, or locates among
// them: by the names of the generated functions that are linked.
func (f *finder) others() {
	for _, name := range slices.Sorted(maps.Keys(f.services)) {
		d := f.services[name]
		serves, locates := f.links(d, "Serve"), f.links(d, "Locate")
		if !serves && !locates || d.Methods().Len() == 0 {
			continue
		}
		i := slices.IndexFunc(f.message.Services, func(s *contractpb.Service) bool { return s.GetName() == string(name) })
		if i >= 0 {
			f.message.Services[i].Serves, f.message.Services[i].Locates = serves, locates
			continue
		}
		s := &contractpb.Service{Name: string(name), Serves: serves, Locates: locates}
		used := f.located(d)
		if serves || used == nil {
			used = methodsOf(d)
		}
		for _, m := range used {
			s.Methods = append(s.Methods, &contractpb.Method{Name: string(m.Name())})
		}
		f.add(s, used)
	}
}

func methodsOf(d protoreflect.ServiceDescriptor) (all []protoreflect.MethodDescriptor) {
	for i := range d.Methods().Len() {
		all = append(all, d.Methods().Get(i))
	}
	return all
}

// located returns the methods that the guest calls with the client that Locate returns: the
// linker leaves the other methods of that client out.
func (f *finder) located(d protoreflect.ServiceDescriptor) (used []protoreflect.MethodDescriptor) {
	client := "located" + goName(string(d.Name())) + ".call"
	for _, m := range methodsOf(d) {
		if f.linksSymbol(d, client+goName(string(m.Name()))) {
			used = append(used, m)
		}
	}
	return used
}

// links tells whether the function verb + service is linked.
func (f *finder) links(d protoreflect.ServiceDescriptor, verb string) bool {
	return f.linksSymbol(d, verb+goName(string(d.Name())))
}

// linksSymbol tells whether a function is linked, of the package that holds the Go code of the
// service's file or of one below it.
func (f *finder) linksSymbol(d protoreflect.ServiceDescriptor, name string) bool {
	pkg := goPackage(d.ParentFile())
	if pkg == "" {
		return false
	}
	return slices.ContainsFunc(f.symbols[name], func(path string) bool {
		return path == pkg || strings.HasPrefix(path, pkg+"/")
	})
}

const (
	// maxSymbol bounds the path and the name of a function, in bytes each.
	maxSymbol = 1 << 10
	// maxSymbols bounds the functions that are looked at, of all those whose names start
	// with one of the verbs.
	maxSymbols = 20_000
)

// symbolsIn returns the paths of the packages that have functions whose names start with
// Serve or Locate, and of methods of the clients that Locate returns, by those names. Go's table
// of functions has the names, each between two zeros, whether they were inlined or not.
func symbolsIn(memory []wasm.Piece) map[string][]string {
	symbols, found := map[string][]string{}, 0
	for _, verb := range []string{".Serve", ".Locate", ".located"} {
		for _, p := range memory {
			for from := 0; found < maxSymbols; {
				i := bytes.Index(p.Bytes[from:], []byte(verb))
				if i < 0 {
					break
				}
				i += from
				from = i + len(verb)
				start := bytes.LastIndexByte(p.Bytes[max(0, i-maxSymbol):i], 0) + 1 + max(0, i-maxSymbol)
				length := bytes.IndexByte(p.Bytes[i:min(len(p.Bytes), i+maxSymbol)], 0)
				if length < 0 {
					continue
				}
				found++
				name := string(p.Bytes[i+1 : i+length])
				symbols[name] = append(symbols[name], string(p.Bytes[start:i]))
			}
		}
	}
	return symbols
}

func (f *finder) finish() {
	slices.SortStableFunc(f.message.Services, func(a, b *contractpb.Service) int { return cmp.Compare(a.GetName(), b.GetName()) })
	f.message.Descriptors = reachOf(f.used).reduce()
}

// importModule returns the import module of a service.
func importModule(s protoreflect.ServiceDescriptor) string {
	o, _ := optionOf(s, optionspb.E_Service).(*optionspb.ServiceOptions)
	return cmp.Or(o.GetModule(), string(s.FullName()))
}

// methodOf returns the method that a function of the import module is, or nil.
func methodOf(s protoreflect.ServiceDescriptor, function string) protoreflect.MethodDescriptor {
	for i := range s.Methods().Len() {
		m := s.Methods().Get(i)
		o, _ := optionOf(m, optionspb.E_Method).(*optionspb.MethodOptions)
		if cmp.Or(o.GetHostFuncName(), string(m.Name())) == function {
			return m
		}
	}
	return nil
}

// optionOf returns an option of a descriptor, or nil.
func optionOf(d protoreflect.Descriptor, option protoreflect.ExtensionType) any {
	options := d.Options()
	if !options.ProtoReflect().IsValid() || !proto.HasExtension(options, option) {
		return nil
	}
	return proto.GetExtension(options, option)
}

// goName returns the name that Go code has for a service: its words, each with a
// capital, without underscores between letters.
func goName(name string) string {
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		switch {
		case c == '_' && i+1 < len(name) && isLower(name[i+1]) && i > 0:
			continue
		case c == '_' && i == 0:
			c = 'X'
		case isLower(c) && (i == 0 || name[i-1] == '_'):
			c -= 'a' - 'A'
		}
		b.WriteByte(c)
	}
	return b.String()
}

func isLower(c byte) bool { return 'a' <= c && c <= 'z' }
