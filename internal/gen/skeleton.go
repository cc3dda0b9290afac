package gen

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/types/pluginpb"

	"github.com/iansmith/parigot/internal/gen/merge"
)

// initialize is the variable that holds a plugin.
const initialize = "ParigotInitialize"

// skeletonView is the implementation of a service that does not exist yet, as
// the template sees it.
type skeletonView struct {
	*serviceView
	Plugin             string // the type
	ServerIdent        protogen.GoIdent
	UnimplementedIdent protogen.GoIdent
	DescIdent          protogen.GoIdent
	RegisterIdent      protogen.GoIdent
	EmbedUnimplemented bool
	InitFunc           string          // instead of the method Init, which is an rpc
	DescribeFunc       string          // instead of the method Describe, when that or Init is an rpc
	Initialize         []*skeletonView // what ParigotInitialize, if it goes here, starts
	InitializeAll      bool            // and it is more than one
	Stubs              []*stubView

	fileName    string
	packageName string // of the generated code
	messages    string // the import path of the service's own messages
}

// stubView is one method that is missing in an implementation.
type stubView struct {
	*methodView
	Receiver, ReceiverType string
	FullNameIdent          protogen.GoIdent
}

// skeletonRun is one run in the mode impl=DIR.
type skeletonRun struct {
	*generator
	tree       *tree
	in         string // DIR
	pkg        *merge.Package
	editors    map[string]*merge.Editor // by file name
	stubs      map[string]int           // how many methods each file gets
	interfaces []merge.Interface        // of all services
	unplaced   bool                     // no template tells where the output goes
	chosen     bool                     // buf's template names the services that belong into DIR
	found      []*skeletonView
	created    []*skeletonView
}

// skeletons returns the files of the mode impl=DIR that are new, and those that got
// more methods.
func (g *generator) skeletons(views []*fileView, where Workspace) ([]*pluginpb.CodeGeneratorResponse_File, error) {
	run := &skeletonRun{generator: g, in: path.Clean(g.parameters.impl), editors: make(map[string]*merge.Editor), stubs: make(map[string]int)}
	if !fs.ValidPath(run.in) {
		return nil, fmt.Errorf("impl=%s must be a directory inside the working directory, relative to it", g.parameters.impl)
	}
	var err error
	if run.tree, err = readTree(where); err != nil {
		return nil, err
	}
	if err := run.load(); err != nil {
		return nil, err
	}
	all := run.views(views)
	if err := run.place(all); err != nil {
		return nil, err
	}
	for _, view := range all {
		run.interfaces = append(run.interfaces, view.serverInterface())
		if err := run.add(view); err != nil {
			return nil, err
		}
	}
	run.refuseNeighbours()
	if err := g.problems.err(); err != nil {
		return nil, err
	}
	if err := run.create(); err != nil {
		return nil, err
	}
	if err := run.program(); err != nil {
		return nil, err
	}
	return run.files()
}

// views returns the view of each service, having checked that no two share a
// type or a file.
func (r *skeletonRun) views(files []*fileView) []*skeletonView {
	var all []*skeletonView
	types, names := make(map[string]owner), make(map[string]owner)
	for _, file := range files {
		for _, service := range file.Services {
			view, by := newSkeleton(file, service), ownerOf(service.Desc)
			all = append(all, view)
			if first, ok := types[view.Plugin]; ok {
				r.problems.add(by.at, "%s and %s (%s) would both be implemented by a type %s: give each an impl directory of its own", by.what, first.what, first.at, view.Plugin)
			} else if first, ok := names[view.fileName]; ok {
				r.problems.add(by.at, "%s and %s (%s) would both be implemented in %s: give each an impl directory of its own", by.what, first.what, first.at, view.fileName)
			}
			types[view.Plugin], names[view.fileName] = by, by
		}
	}
	return all
}

// load reads the package in the directory, and settles its name.
func (r *skeletonRun) load() error {
	var err error
	if r.pkg, err = merge.Load(r.tree.working(), r.in, r.parameters.implPackage); err != nil {
		return err
	}
	if r.pkg.Name == "" {
		r.pkg.Name = packageNameOf(path.Base(r.in))
	}
	if r.pkg.Name == "" {
		return fmt.Errorf("impl=%s does not tell the name of the Go package: set impl_package", r.parameters.impl)
	}
	return nil
}

func newSkeleton(file *fileView, service *serviceView) *skeletonView {
	view := &skeletonView{
		serviceView:        service,
		Plugin:             service.GoName + "Plugin",
		ServerIdent:        file.ImportPath.Ident(service.ServerName),
		UnimplementedIdent: file.ImportPath.Ident(service.UnimplementedName),
		DescIdent:          file.ImportPath.Ident(service.DescVar),
		RegisterIdent:      file.ImportPath.Ident(service.RegisterName),
		EmbedUnimplemented: true,
		fileName:           skeletonFile(string(service.Desc.Name())),
		packageName:        file.PackageName,
		messages:           string(file.GoImportPath),
	}
	for _, method := range service.Methods {
		switch method.GoName {
		case "Init":
			view.InitFunc = "init" + view.Plugin
			view.DescribeFunc = "describe" + view.Plugin
		case "Describe":
			view.DescribeFunc = "describe" + view.Plugin
		case service.UnimplementedName:
			// A field and a method cannot share a name. Every method is in the
			// skeleton anyway.
			view.EmbedUnimplemented = false
		}
	}
	return view
}

func (v *skeletonView) serverInterface() merge.Interface {
	return merge.Interface{
		ImportPath:  string(v.ServerIdent.GoImportPath),
		PackageName: v.packageName,
		Name:        v.ServerName,
		Messages:    v.messages,
	}
}

// initializer returns the expression that ParigotInitialize needs for the
// plugin.
func (v *skeletonView) initializer() string {
	text := "&" + v.Plugin + "{}"
	if v.InitFunc != "" {
		text = "pluginsdk.InitFunc(" + v.InitFunc + ")"
	}
	if v.DescribeFunc != "" {
		text = "pluginsdk.Described(" + text + ", " + v.DescribeFunc + ")"
	}
	return text
}

// InitName returns the name of the function or method that registers the plugin.
func (v *skeletonView) InitName() string {
	if v.InitFunc != "" {
		return v.InitFunc
	}
	return "Init"
}

// RPCInTheWay returns the name of the rpc that DescribeFunc makes room for.
func (v *skeletonView) RPCInTheWay() string {
	if v.InitFunc != "" {
		return "Init"
	}
	return "Describe"
}

func (v *skeletonView) methodNames() []string {
	var names []string
	for _, method := range v.Methods {
		names = append(names, method.GoName)
	}
	return names
}

// fullNames returns the full names of the methods with the given Go names.
func (v *skeletonView) fullNames(goNames []string) []string {
	var names []string
	for _, method := range v.Methods {
		if slices.Contains(goNames, method.GoName) {
			names = append(names, method.FullName)
		}
	}
	return names
}

// stub returns the view of one method with its receiver.
func (v *skeletonView) stub(method *methodView, receiver, receiverType string) *stubView {
	return &stubView{
		methodView:    method,
		Receiver:      receiver,
		ReceiverType:  receiverType,
		FullNameIdent: v.ServerIdent.GoImportPath.Ident(method.FullNameConst),
	}
}

// add completes the implementation that the package has, or notes that it has
// none.
func (r *skeletonRun) add(view *skeletonView) error {
	target, err := r.pkg.Find(view.serverInterface(), view.fileName, view.Plugin)
	if err != nil {
		return err
	}
	if target == nil {
		r.created = append(r.created, view)
		return nil
	}
	r.found = append(r.found, view)
	editor := target.Editor()
	r.editors[target.FileName()] = editor
	if len(target.Others) > 0 {
		r.note("%s implements %s, and so do others, which get no methods: %s", target.Type, view.FullName, strings.Join(target.Others, ", "))
	}
	r.noteStray(view, target)
	missing := target.Missing(view.methodNames())
	r.refuseFields(view, target, missing)
	fallback := view.serverInterface()
	fallback.Name = view.UnimplementedName
	if hidden := target.Hidden(fallback); len(missing) > 0 && hidden != "" {
		r.note("%s: %s embeds %s, which may have the methods %s: nothing is added for them", target.Place(), target.Type, hidden, strings.Join(view.fullNames(missing), ", "))
		return nil
	}
	r.stubs[target.FileName()] += len(missing)
	return r.append(view, target, editor, missing)
}

// noteStray tells about methods that the service does not have any more. They
// are the author's: nothing deletes them.
func (r *skeletonRun) noteStray(view *skeletonView, target *merge.Target) {
	if target.Type == "" || target.AlsoImplements(view.serverInterface(), "Server") {
		return
	}
	for _, stray := range target.Stray(view.serverInterface(), view.methodNames()) {
		if stray.Refers != "" {
			r.note("%s is no method of %s any more, and does not compile, because %s is gone: move its code to the method that took its place, if any, and delete it", stray.At, view.FullName, stray.Refers)
			continue
		}
		r.note("%s is no method of %s; delete it when nothing needs it", stray.At, view.FullName)
	}
}

// refuseFields reports missing methods whose names are taken by fields of the
// type: such a type cannot implement the service.
func (r *skeletonRun) refuseFields(view *skeletonView, target *merge.Target, missing []string) {
	for _, method := range view.Methods {
		if !slices.Contains(missing, method.GoName) {
			continue
		}
		if at := target.Field(method.GoName); at != "" {
			by := ownerOf(method.Desc)
			r.problems.add(by.at, "%s cannot become a method of %s, which has a field %s (%s), so nothing is written: rename the field or the rpc", by.what, target.Type, method.GoName, at)
		}
	}
}

func (r *skeletonRun) append(view *skeletonView, target *merge.Target, editor *merge.Editor, missing []string) error {
	wanted := make(map[string]bool, len(missing))
	for _, name := range missing {
		wanted[name] = true
	}
	editor.Hide(target.Receiver)
	b := newBinding(r.qualifier(view, editor))
	for _, method := range view.Methods {
		if !wanted[method.GoName] {
			continue
		}
		var text strings.Builder
		if err := b.execute(&text, "stub", view.stub(method, target.Receiver, target.ReceiverType)); err != nil {
			return err
		}
		editor.Append(text.String())
	}
	return nil
}

// qualifier returns how an edited file refers to identifiers of others.
func (r *skeletonRun) qualifier(view *skeletonView, editor *merge.Editor) qualifier {
	names := map[protogen.GoImportPath]string{view.ServerIdent.GoImportPath: view.packageName}
	for _, file := range r.plugin.Files {
		if _, ok := names[file.GoImportPath]; !ok {
			names[file.GoImportPath] = string(file.GoPackageName)
		}
	}
	return func(id protogen.GoIdent) string {
		name, ok := names[id.GoImportPath]
		if !ok {
			name = path.Base(string(id.GoImportPath))
		}
		return editor.Qualify(string(id.GoImportPath), name, id.GoName)
	}
}

// create prints the new implementations. All of one run share a
// ParigotInitialize, because a package has room for one.
func (r *skeletonRun) create() error {
	declared := r.pkg.Declares(initialize)
	for i, view := range r.created {
		if declared != "" {
			r.note("%s declares %s: add %s to it", declared, initialize, view.initializer())
		} else if i == 0 {
			view.Initialize, view.InitializeAll = r.created, len(r.created) > 1
		}
		for _, method := range view.Methods {
			view.Stubs = append(view.Stubs, view.stub(method, "p", "*"+view.Plugin))
		}
		editor := r.pkg.New(view.fileName, r.reserved(initialize)...)
		editor.Hide("p")
		var text strings.Builder
		if err := newBinding(r.qualifier(view, editor)).execute(&text, "skeleton", view); err != nil {
			return err
		}
		editor.Append(text.String())
		r.editors[view.fileName], r.stubs[view.fileName] = editor, len(view.Stubs)
	}
	return nil
}

// reserved returns the names that new files declare.
func (r *skeletonRun) reserved(names ...string) []string {
	for _, view := range r.created {
		names = append(names, view.Plugin, "init"+view.Plugin, "describe"+view.Plugin)
	}
	return names
}
