package gen

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/types/pluginpb"

	"github.com/iansmith/parigot/internal/gen/merge"
)

// skeletonView is the implementation of a service that does not exist yet, as
// the template sees it.
type skeletonView struct {
	*serviceView
	Type               string
	ServerIdent        protogen.GoIdent
	UnimplementedIdent protogen.GoIdent
	RegisterIdent      protogen.GoIdent
	EmbedUnimplemented bool
	Stubs              []*stubView

	Plugin     *pluginView      // nil in guests
	ServeIdent protogen.GoIdent // in guests

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

// skeletonRun is one run in the mode impl=DIR or guest_impl=DIR.
type skeletonRun struct {
	*generator
	kind       *implKind
	tree       *tree
	in         string // DIR
	pkg        *merge.Package
	names      map[protogen.GoImportPath]string // of Go packages
	editors    map[string]*merge.Editor         // by file name
	stubs      map[string]int                   // how many methods each file gets
	interfaces []merge.Interface                // of all services
	native     []string                         // full names of services that get none
	unplaced   bool                             // no template tells where the output goes
	chosen     bool                             // buf's template names the services that belong into DIR
	found      []*skeletonView
	created    []*skeletonView
}

// skeletons returns the files of the modes impl=DIR and guest_impl=DIR that are new, and
// those that got more methods.
func (g *generator) skeletons(views []*fileView, where Workspace) ([]*pluginpb.CodeGeneratorResponse_File, error) {
	tree, err := readTree(where)
	if err != nil {
		return nil, err
	}
	var files []*pluginpb.CodeGeneratorResponse_File
	for _, kind := range implKinds {
		dir, ok := g.parameters.impl[kind.parameter]
		if !ok {
			continue
		}
		run := &skeletonRun{
			generator: g, kind: kind, tree: tree, in: path.Clean(dir),
			editors: make(map[string]*merge.Editor), stubs: make(map[string]int), names: make(map[protogen.GoImportPath]string),
		}
		if !fs.ValidPath(run.in) {
			return nil, fmt.Errorf("%s=%s must be a directory inside the working directory, relative to it", kind.parameter, dir)
		}
		changed, err := run.run(views)
		if err != nil {
			return nil, err
		}
		files = append(files, changed...)
	}
	return files, nil
}

// run returns the files of one directory.
func (r *skeletonRun) run(views []*fileView) ([]*pluginpb.CodeGeneratorResponse_File, error) {
	if err := r.load(); err != nil {
		return nil, err
	}
	all := r.views(views)
	if err := r.place(all); err != nil {
		return nil, err
	}
	for _, view := range all {
		r.interfaces = append(r.interfaces, view.serverInterface())
		if err := r.add(view); err != nil {
			return nil, err
		}
	}
	r.refuseNeighbours()
	if err := r.problems.err(); err != nil {
		return nil, err
	}
	if err := r.create(); err != nil {
		return nil, err
	}
	if err := r.program(); err != nil {
		return nil, err
	}
	return r.files()
}

// views returns the view of each service, having checked that no two share a
// type or a file.
func (r *skeletonRun) views(files []*fileView) []*skeletonView {
	var all []*skeletonView
	types, names := make(map[string]owner), make(map[string]owner)
	for _, file := range files {
		for _, service := range r.served(file) {
			view, by := r.newSkeleton(file, service), ownerOf(service.Desc)
			all = append(all, view)
			if first, ok := types[view.Type]; ok {
				r.problems.add(by.at, "%s and %s (%s) would both be implemented by a type %s: give each a directory of its own", by.what, first.what, first.at, view.Type)
			} else if first, ok := names[view.fileName]; ok {
				r.problems.add(by.at, "%s and %s (%s) would both be implemented in %s: give each a directory of its own", by.what, first.what, first.at, view.fileName)
			}
			types[view.Type], names[view.fileName] = by, by
		}
	}
	if len(all) == 0 {
		r.refuseNative(files)
	}
	r.nameImports(all)
	return all
}

// nameImports notes the names of the Go packages that skeletons may import.
func (r *skeletonRun) nameImports(all []*skeletonView) {
	for _, file := range r.plugin.Files {
		r.names[file.GoImportPath] = string(file.GoPackageName)
	}
	for _, view := range all {
		r.names[view.ServerIdent.GoImportPath] = view.packageName
	}
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
		return fmt.Errorf("%s=%s does not tell the name of the Go package: set impl_package", r.kind.parameter, r.in)
	}
	return nil
}

func (r *skeletonRun) newSkeleton(file *fileView, service *serviceView) *skeletonView {
	view := &skeletonView{
		serviceView:        service,
		Type:               service.GoName + r.kind.suffix,
		ServerIdent:        file.ImportPath.Ident(service.ServerName),
		UnimplementedIdent: file.ImportPath.Ident(service.UnimplementedName),
		RegisterIdent:      file.ImportPath.Ident(service.RegisterName),
		ServeIdent:         file.ImportPath.Ident(service.ServeName),
		EmbedUnimplemented: true,
		fileName:           skeletonFile(string(service.Desc.Name())),
		packageName:        file.PackageName,
		messages:           string(file.GoImportPath),
	}
	for _, method := range service.Methods {
		if method.GoName == service.UnimplementedName {
			// A field and a method cannot share a name. Every method is in the
			// skeleton anyway.
			view.EmbedUnimplemented = false
		}
	}
	if r.kind == pluginImpl {
		view.Plugin = newPlugin(view, file.ImportPath.Ident(service.DescVar))
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
	target, err := r.pkg.Find(view.serverInterface(), view.fileName, view.Type)
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
	receiver := cmp.Or(target.Receiver, r.kind.receiver)
	editor.Hide(receiver)
	b := newBinding(r.qualifier(editor))
	for _, method := range view.Methods {
		if !slices.Contains(missing, method.GoName) {
			continue
		}
		var text strings.Builder
		if err := b.execute(&text, "stub", view.stub(method, receiver, target.ReceiverType)); err != nil {
			return err
		}
		editor.Append(text.String())
	}
	return nil
}

// qualifier returns how an edited file refers to identifiers of others.
func (r *skeletonRun) qualifier(editor *merge.Editor) qualifier {
	return func(id protogen.GoIdent) string {
		name, ok := r.names[id.GoImportPath]
		if !ok {
			name = path.Base(string(id.GoImportPath))
		}
		return editor.Qualify(string(id.GoImportPath), name, id.GoName)
	}
}

// create prints the new implementations.
func (r *skeletonRun) create() error {
	r.shareInitialize()
	constraint := r.kind.constraint
	if r.pkg.Name == "main" {
		constraint = r.kind.mainConstraint
	}
	for _, view := range r.created {
		for _, method := range view.Methods {
			view.Stubs = append(view.Stubs, view.stub(method, r.kind.receiver, "*"+view.Type))
		}
		editor := r.pkg.New(view.fileName, constraint, r.reserved()...)
		editor.Hide(r.kind.receiver)
		var text strings.Builder
		if err := newBinding(r.qualifier(editor)).execute(&text, "skeleton", view); err != nil {
			return err
		}
		editor.Append(text.String())
		r.editors[view.fileName], r.stubs[view.fileName] = editor, len(view.Stubs)
	}
	return nil
}

// reserved returns the names that new files declare.
func (r *skeletonRun) reserved() []string {
	var names []string
	for _, view := range r.created {
		names = append(names, view.Type)
		if view.Plugin != nil {
			names = append(names, initialize, "init"+view.Type, "describe"+view.Type)
		}
	}
	return names
}
