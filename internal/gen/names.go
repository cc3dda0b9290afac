package gen

import (
	"fmt"
	"go/token"
	"strings"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// setNames is the one place that makes the identifiers of a service that do not depend on
// its methods.
func (s *serviceView) setNames(goName string) {
	s.GoName = goName
	s.ServiceNameConst = goName + "ServiceName"
	s.ServerName = goName + "Server"
	s.UnimplementedName = "Unimplemented" + goName + "Server"
	s.ClientName = goName + "Client"
	s.NewClientName = "New" + goName + "Client"
	s.IntoServerName = goName + "IntoServer"
	s.ClientType = "client" + goName
	s.NewLocalName = "NewLocal" + goName + "Client"
	s.RegisterName = "Register" + goName
	s.DescVar = goName + "_ServiceDesc"
	s.CallsType = "calls" + goName
	s.GuestType = "imported" + goName
	s.ServeName = "Serve" + goName
	s.ServedName = "served" + goName
	s.LocateName = "Locate" + goName
	s.LocatedType = "located" + goName
}

// setNames is the one place that makes the identifiers of a method. The
// underscore keeps Foo.BarBaz and FooBar.Baz apart.
func (m *methodView) setNames(service, method string) {
	joined := service + "_" + method
	m.GoName = method
	m.FullNameConst = joined + "_FullName"
	m.BridgeName = "bridge" + joined
	m.ImportName = "import" + joined
	m.MethodVar = "method" + joined
}

// nameForms names the forms of a service's methods that fill a response. An rpc has the
// better right to its name: where SendInto is one, the form of Send is SendInto_.
func nameForms(methods []*methodView) {
	rpcs := make(map[string]bool, len(methods))
	for _, m := range methods {
		rpcs[m.GoName] = true
	}
	for _, m := range methods {
		for m.IntoName = m.GoName + "Into"; rpcs[m.IntoName]; {
			m.IntoName += "_"
		}
	}
}

// shared, host and guest return the package-level names of each file.
func (s *serviceView) shared() []string {
	return []string{s.ServiceNameConst, s.ServerName, s.UnimplementedName}
}

func (s *serviceView) host() []string {
	return []string{s.ClientName, s.NewClientName, s.ClientType, s.NewLocalName, s.IntoServerName, s.RegisterName, s.DescVar}
}

func (s *serviceView) guest() []string {
	names := []string{s.ClientName, s.NewClientName, s.CallsType, s.GuestType}
	if s.IsNative {
		return names
	}
	return append(names, s.ServeName, s.ServedName, s.LocateName, s.LocatedType)
}

// owner is what has claimed an identifier.
type owner struct {
	what string // such as "service a.Foo"
	at   position
}

func ownerOf(desc protoreflect.Descriptor) owner {
	return owner{what: kindOf(desc) + " " + string(desc.FullName()), at: positionOf(desc)}
}

func kindOf(desc protoreflect.Descriptor) string {
	switch desc.(type) {
	case protoreflect.ServiceDescriptor:
		return "service"
	case protoreflect.MethodDescriptor:
		return "rpc"
	case protoreflect.MessageDescriptor:
		return "message"
	case protoreflect.EnumDescriptor:
		return "enum"
	case protoreflect.EnumValueDescriptor:
		return "enum value"
	case protoreflect.FieldDescriptor:
		return "field"
	}
	return "declaration"
}

// scope is a set of Go identifiers in which no two owners may claim the same.
type scope struct {
	problems *problems
	taken    map[string]owner
}

func newScope(p *problems) *scope {
	return &scope{problems: p, taken: make(map[string]owner)}
}

// reserve takes names without asking: nothing can be done about them.
func (s *scope) reserve(by owner, names ...string) {
	for _, name := range names {
		if _, ok := s.taken[name]; !ok {
			s.taken[name] = by
		}
	}
}

// claim takes a name for a declaration that the generator will write, and
// reports whether that went well. Where it is taken, both owners are named.
func (s *scope) claim(by owner, name string) bool {
	if !token.IsIdentifier(name) {
		s.problems.add(by.at, "%s needs the Go name %q, which is no identifier", by.what, name)
		return false
	}
	first, ok := s.taken[name]
	if !ok {
		s.taken[name] = by
		return true
	}
	if first == by {
		return true
	}
	if after(first.at, by.at) {
		first, by = by, first
	}
	s.problems.add(by.at, "%s and %s (%s) both need the Go name %s; rename one of them",
		by.what, first.what, first.at, name)
	return false
}

func after(a, b position) bool {
	if a.file != b.file {
		return a.file > b.file
	}
	return a.line > b.line || a.line == b.line && a.column > b.column
}

// packageScopes holds, for each Go package that files are written to, the
// names in its host build and in its guest build.
type packageScopes struct {
	problems *problems
	byPath   map[protogen.GoImportPath]*[2]*scope
	files    []*protogen.File
}

func newPackageScopes(p *problems, files []*protogen.File) *packageScopes {
	return &packageScopes{problems: p, byPath: make(map[protogen.GoImportPath]*[2]*scope), files: files}
}

// of returns the host scope and the guest scope of a package. They start with
// the names that protoc-gen-go writes to it.
func (ps *packageScopes) of(path protogen.GoImportPath) *[2]*scope {
	if pair, ok := ps.byPath[path]; ok {
		return pair
	}
	pair := &[2]*scope{newScope(ps.problems), newScope(ps.problems)}
	for _, file := range ps.files {
		if file.GoImportPath == path {
			for _, s := range pair {
				s.reserveMessages(file)
			}
		}
	}
	ps.byPath[path] = pair
	return pair
}

// claimAll takes the names of all ids and services of a file. Of the names of
// one id, service or method, the first that is taken is reported.
func (ps *packageScopes) claimAll(file *fileView) {
	pair := ps.of(file.ImportPath)
	for _, id := range file.IDs {
		claimEach(pair, id.by, id.all(), id.all())
	}
	for _, service := range file.Services {
		by := ownerOf(service.Desc)
		if !claimEach(pair, by, append(service.shared(), service.host()...), append(service.shared(), service.guest()...)) {
			continue
		}
		methods := newScope(ps.problems)
		for _, method := range service.Methods {
			by := ownerOf(method.Desc)
			if methods.claim(by, method.GoName) {
				claimEach(pair, by,
					[]string{method.FullNameConst, method.BridgeName},
					[]string{method.FullNameConst, method.ImportName, method.MethodVar})
			}
		}
	}
}

// claimEach takes names in the host scope and others in the guest scope, as
// long as none is taken.
func claimEach(pair *[2]*scope, by owner, host, guest []string) bool {
	for i, names := range [][]string{host, guest} {
		for _, name := range names {
			if !pair[i].claim(by, name) {
				return false
			}
		}
	}
	return true
}

// reserveMessages takes the package-level names that protoc-gen-go gives to
// what a file declares.
func (s *scope) reserveMessages(file *protogen.File) {
	s.reserve(owner{"the descriptor of " + file.Desc.Path(), position{file: file.Desc.Path()}}, file.GoDescriptorIdent.GoName)
	for _, enum := range file.Enums {
		s.reserveEnum(enum)
	}
	for _, message := range file.Messages {
		s.reserveMessage(message)
	}
	for _, extension := range file.Extensions {
		s.reserve(ownerOf(extension.Desc), "E_"+extension.GoName)
	}
}

func (s *scope) reserveEnum(enum *protogen.Enum) {
	name := enum.GoIdent.GoName
	s.reserve(ownerOf(enum.Desc), name, name+"_name", name+"_value")
	for _, value := range enum.Values {
		s.reserve(ownerOf(value.Desc), value.GoIdent.GoName)
	}
}

func (s *scope) reserveMessage(message *protogen.Message) {
	by := ownerOf(message.Desc)
	name := message.GoIdent.GoName
	s.reserve(by, name, name+"_builder")
	for _, field := range message.Fields {
		if field.Oneof != nil {
			s.reserve(ownerOf(field.Desc), field.GoIdent.GoName)
		}
		if field.Desc.HasDefault() {
			s.reserve(ownerOf(field.Desc), fmt.Sprintf("Default_%s_%s", name, field.GoName))
		}
	}
	for _, enum := range message.Enums {
		s.reserveEnum(enum)
	}
	for _, extension := range message.Extensions {
		s.reserve(ownerOf(extension.Desc), "E_"+name+"_"+extension.GoName)
	}
	for _, nested := range message.Messages {
		s.reserveMessage(nested)
	}
}

// packageName returns the name of the sub-package for a Go package, or the
// package itself when there is no suffix. A leading underscore, which protogen
// puts before keywords, would hide the directory from the go command.
func packageName(of protogen.GoPackageName, suffix string) string {
	if suffix == "" {
		return string(of)
	}
	trimmed := strings.TrimLeft(string(of), "_")
	if trimmed == "" || !token.IsIdentifier(trimmed+suffix) {
		trimmed = "x" + string(of)
	}
	return trimmed + suffix
}
