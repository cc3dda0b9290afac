package gen

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// fileView is a proto file with services, as the templates see it.
type fileView struct {
	*protogen.File
	ImportPath    protogen.GoImportPath // of the package that the files belong to
	PackageName   string                // its name
	Stem          string                // of the file names, with the directory
	Source        string                // the path of the proto file, fit for a comment
	License       string                // comments above the syntax line
	SharedDoc     string                // the comment of the sub-package
	IsDeprecated  bool
	HasDescriptor bool // the files can refer to its descriptor
	IDs           []*idView
	Services      []*serviceView
}

// isEmpty reports whether there is nothing to write for the file.
func (f *fileView) isEmpty() bool { return len(f.IDs) == 0 && len(f.Services) == 0 }

// usesOwnMessages reports whether an rpc has a message of the Go package of the proto
// file.
func (f *fileView) usesOwnMessages() bool {
	for _, service := range f.Services {
		for _, method := range service.Methods {
			if method.input().GoImportPath == f.GoImportPath || method.output().GoImportPath == f.GoImportPath {
				return true
			}
		}
	}
	return false
}

// importsMain reports whether the files would have to import a package main.
func (f *fileView) importsMain() bool {
	return f.GoPackageName == "main" && f.ImportPath != f.GoImportPath && f.usesOwnMessages()
}

// hasDescriptor reports whether the files can refer to the descriptor that protoc-gen-go
// writes for the proto file. They import no package for it alone: it need not be there.
func (f *fileView) hasDescriptor() bool {
	base := path.Base(f.GeneratedFilenamePrefix) + ".pb.go"
	return f.usesOwnMessages() && !refused(base) && !ignored(base)
}

// serviceView is one service. All that templates use is a field of its own: for one that is
// promoted they take twice as long.
type serviceView struct {
	*protogen.Service
	GoName            string // as protogen's
	ServiceNameConst  string // constant: full name of the service
	ServerName        string // interface that an author implements
	UnimplementedName string // implements it with an error
	ClientName        string // what callers use: an interface in the host, a struct in guests
	NewClientName     string // function that makes one

	IntoServerName string // host interface whose methods fill responses
	ClientType     string // host type: the client
	NewLocalName   string // host function that makes a client without wasm
	RegisterName   string // host function that registers an implementation
	DescVar        string // host variable that describes the service

	CallsType string // interface inside the client of a guest
	GuestType string // what implements it with calls to the host

	// Of services that are not native, in guests.
	ServeName   string // function that serves an implementation
	ServedName  string // function that says how
	LocateName  string // function that finds one that serves
	LocatedType string // what makes the calls of the client that it returns

	FullName    string
	Module      string // wasm import module
	IsNative    bool   // guests do not serve it
	Detached    string // comments that stand alone above the service
	Carried     string // its comment
	Deprecation string // empty, or why it is deprecated
	Methods     []*methodView
}

// methodView is one method, with fields as those of a service.
type methodView struct {
	*protogen.Method
	GoName        string // as protogen's
	FullNameConst string // constant: full name of the method
	BridgeName    string // host function: the bridge
	ImportName    string // guest function that the host provides
	MethodVar     string // guest variable with what the SDK knows of the method

	Name        string // as in the proto file
	IntoName    string // of the form that fills a response
	FullName    string
	Func        string // wasm function name
	Carried     string
	Deprecation string
	HasBudget   bool
	BudgetCount int64
	BudgetUnit  protogen.GoIdent
	Idempotency string // of package parigotimpl, empty when unknown
	IsRedacted  bool
	MayBlock    bool
}

func (m *methodView) input() protogen.GoIdent  { return m.Input.GoIdent }
func (m *methodView) output() protogen.GoIdent { return m.Output.GoIdent }

// viewer makes the view model of a request and notes what is wrong with it.
type viewer struct {
	parameters *parameters
	problems   *problems
	redacted   map[protoreflect.FullName]bool
}

// file returns the view of a proto file.
func (v *viewer) file(f *protogen.File) *fileView {
	name := packageName(f.GoPackageName, v.parameters.packageSuffix)
	view := &fileView{
		File:         f,
		ImportPath:   f.GoImportPath,
		PackageName:  name,
		Source:       strings.TrimSpace(harmless(f.Desc.Path())),
		License:      license(f.Desc),
		IsDeprecated: f.Proto.GetOptions().GetDeprecated(),
	}
	dir, base := path.Split(f.GeneratedFilenamePrefix)
	if v.parameters.packageSuffix != "" {
		view.ImportPath = protogen.GoImportPath(path.Join(string(f.GoImportPath), name))
		dir = path.Join(dir, name)
	}
	view.Stem = path.Join(dir, fileStem(base))
	checkErrorEnums(v.problems, f.Enums, f.Messages)
	view.IDs = idsOf(v.problems, f.Desc)
	for _, s := range f.Services {
		view.Services = append(view.Services, v.service(view, s))
	}
	view.HasDescriptor = view.hasDescriptor()
	if v.parameters.packageSuffix != "" {
		view.SharedDoc = packageDoc(view)
	}
	return view
}

func (v *viewer) service(file *fileView, s *protogen.Service) *serviceView {
	view := &serviceView{
		Service:  s,
		FullName: string(s.Desc.FullName()),
		Module:   moduleOf(v.problems, s.Desc),
		IsNative: serviceOptions(s.Desc).GetNative(),
		Detached: detached(s.Comments.LeadingDetached),
		Carried:  commentOf(s.Comments),
	}
	view.setNames(s.GoName)
	switch {
	case s.Desc.Options().(*descriptorpb.ServiceOptions).GetDeprecated():
		view.Deprecation = fmt.Sprintf("Deprecated: the service %s is marked as deprecated in %s.", view.FullName, file.Source)
	case file.IsDeprecated:
		view.Deprecation = fmt.Sprintf("Deprecated: the file %s is marked as deprecated.", file.Source)
	}
	for _, m := range s.Methods {
		if v.leftOut(m.Desc) {
			continue
		}
		view.Methods = append(view.Methods, v.method(file, view, m))
	}
	nameForms(view.Methods)
	return view
}

// leftOut reports whether a method gets no code because it streams. Unless
// streaming=skip asks for that, it is an error.
func (v *viewer) leftOut(m protoreflect.MethodDescriptor) bool {
	if !m.IsStreamingClient() && !m.IsStreamingServer() {
		return false
	}
	if !v.parameters.skipStreaming {
		v.problems.add(positionOf(m), "streaming rpc %s is not supported; streaming=skip leaves it out", m.FullName())
	}
	return true
}

// idempotencies are the constants of package parigotimpl.
var idempotencies = map[descriptorpb.MethodOptions_IdempotencyLevel]string{
	descriptorpb.MethodOptions_NO_SIDE_EFFECTS: "parigotimpl.NoSideEffects",
	descriptorpb.MethodOptions_IDEMPOTENT:      "parigotimpl.Idempotent",
}

func (v *viewer) method(file *fileView, s *serviceView, m *protogen.Method) *methodView {
	view := &methodView{
		Method:      m,
		Name:        string(m.Desc.Name()),
		FullName:    string(m.Desc.FullName()),
		Func:        funcOf(v.problems, m.Desc),
		Carried:     commentOf(m.Comments),
		Deprecation: s.Deprecation,
		IsRedacted:  v.redacted[m.Input.Desc.FullName()] || v.redacted[m.Output.Desc.FullName()],
		MayBlock:    methodOptions(m.Desc).GetMayBlock(),
	}
	view.setNames(s.GoName, m.GoName)
	options := m.Desc.Options().(*descriptorpb.MethodOptions)
	view.Idempotency = idempotencies[options.GetIdempotencyLevel()]
	if options.GetDeprecated() {
		view.Deprecation = fmt.Sprintf("Deprecated: the rpc %s is marked as deprecated in %s.", view.FullName, file.Source)
	}
	if budget := budgetOf(v.problems, m.Desc); budget != 0 {
		view.HasBudget = true
		view.BudgetCount, view.BudgetUnit = inUnits(budget)
	}
	return view
}

// commentOf returns the comment above a declaration, or else the one behind
// it.
func commentOf(c protogen.CommentSet) string {
	if above := carried(c.Leading); above != "" {
		return above
	}
	return carried(c.Trailing)
}

// Field numbers of FileDescriptorProto, which source locations are found by.
const (
	fieldPackage = 2
	fieldSyntax  = 12
	fieldEdition = 14
)

// license returns the comments above the syntax or edition line, where files
// keep their license.
func license(f protoreflect.FileDescriptor) string {
	var b strings.Builder
	for _, field := range []int32{fieldSyntax, fieldEdition} {
		loc := f.SourceLocations().ByPath(protoreflect.SourcePath{field})
		for _, block := range append(slices.Clone(loc.LeadingDetachedComments), loc.LeadingComments) {
			if text := carried(protogen.Comments(block)); text != "" {
				b.WriteString(text + "\n")
			}
		}
	}
	return b.String()
}

// packageDoc returns the comment of the sub-package: what it is for, and what
// stands above the package line of the proto file.
func packageDoc(view *fileView) string {
	prose := "Package %s lets guests call the services of %s, and hosts implement them."
	if len(view.Services) == 0 {
		prose = "Package %s has the ids of %s."
	}
	loc := view.Desc.SourceLocations().ByPath(protoreflect.SourcePath{fieldPackage})
	var b strings.Builder
	for _, block := range loc.LeadingDetachedComments {
		if text := carried(protogen.Comments(block)); text != "" {
			b.WriteString(text + "\n")
		}
	}
	return b.String() + comment(fmt.Sprintf(prose, view.PackageName, view.Source), carried(protogen.Comments(loc.LeadingComments)), "")
}
