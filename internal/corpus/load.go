package corpus

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"reflect"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// Corpus is a set of proto files, with all that they import.
type Corpus struct {
	// Files are the files that have services, by path.
	Files []*File

	// all are the descriptors of Files and of everything that they import,
	// each after what it imports.
	all []*File
}

// File is a proto file of the corpus.
type File struct {
	// Proto is its descriptor. The registry has no source info.
	Proto *descriptorpb.FileDescriptorProto

	// ImportPath and PackageName are the Go package that its messages are
	// really in, which is not always the one that go_package says.
	ImportPath, PackageName string

	// Module is the module of modules.txt that the file is from, or
	// "(others)" for one that only comes along with them.
	Module string
}

// Path returns the path of the proto file.
func (f *File) Path() string { return f.Proto.GetName() }

// Load returns the files of the registry that have services. A service of a
// module that cannot be worked on, because its messages are no proto.Message
// or an import of its file is not registered, is an error.
func Load() (*Corpus, error) {
	var withServices []protoreflect.FileDescriptor
	protoregistry.GlobalFiles.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		if file.Services().Len() > 0 {
			withServices = append(withServices, file)
		}
		return true
	})
	slices.SortFunc(withServices, func(a, b protoreflect.FileDescriptor) int {
		return cmp.Compare(a.Path(), b.Path())
	})
	l := &loader{corpus: new(Corpus), loaded: make(map[string]*File)}
	var errs []error
	for _, desc := range withServices {
		file, err := l.load(desc)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", desc.Path(), err))
			continue
		}
		if importable(file.ImportPath) {
			l.corpus.Files = append(l.corpus.Files, file)
		}
	}
	l.agreeOnNames()
	return l.corpus, errors.Join(errs...)
}

// agreeOnNames gives files without messages the package name of others in
// their package.
func (l *loader) agreeOnNames() {
	names := make(map[string]string)
	for _, file := range l.corpus.all {
		if file.PackageName != "" && names[file.ImportPath] == "" {
			names[file.ImportPath] = file.PackageName
		}
	}
	for _, file := range l.corpus.all {
		file.PackageName = cmp.Or(file.PackageName, names[file.ImportPath], path.Base(file.ImportPath))
	}
}

// importable reports whether generated code outside of the module can import
// the package of the messages.
func importable(importPath string) bool {
	return !slices.Contains(strings.Split(importPath, "/"), "internal")
}

type loader struct {
	corpus *Corpus
	loaded map[string]*File
}

// load adds a file, after all that it imports.
func (l *loader) load(desc protoreflect.FileDescriptor) (*File, error) {
	if file, ok := l.loaded[desc.Path()]; ok {
		return file, nil
	}
	file := &File{Proto: protodesc.ToFileDescriptorProto(desc)}
	for i := range desc.Imports().Len() {
		imported, err := registered(desc.Imports().Get(i))
		if err != nil {
			return nil, err
		}
		if _, err := l.load(imported); err != nil {
			return nil, err
		}
		file.Proto.Dependency[i] = imported.Path()
	}
	var err error
	file.ImportPath, file.PackageName, err = goPackage(desc)
	if err != nil {
		return nil, err
	}
	file.Module = moduleOf(file.ImportPath)
	l.loaded[desc.Path()] = file
	l.corpus.all = append(l.corpus.all, file)
	return file, nil
}

// registered returns the file that an import stands for. Modules whose files
// were compiled one directory at a time register them by a shorter path than
// the one that others import.
func registered(imported protoreflect.FileImport) (protoreflect.FileDescriptor, error) {
	if !imported.IsPlaceholder() {
		return imported.FileDescriptor, nil
	}
	for _, rest, more := strings.Cut(imported.Path(), "/"); more; _, rest, more = strings.Cut(rest, "/") {
		if file, err := protoregistry.GlobalFiles.FindFileByPath(rest); err == nil {
			return file, nil
		}
	}
	return nil, fmt.Errorf("it imports %s, which no module registers", imported.Path())
}

// goPackage returns the Go package of the types that are registered for a
// file, or for a file without any what it says itself.
func goPackage(file protoreflect.FileDescriptor) (importPath, name string, err error) {
	types := protoregistry.GlobalTypes
	var goType reflect.Type
	switch {
	case file.Messages().Len() > 0:
		message, err := types.FindMessageByName(file.Messages().Get(0).FullName())
		if err != nil {
			return "", "", err
		}
		goType = reflect.TypeOf(message.Zero().Interface()).Elem()
	case file.Enums().Len() > 0:
		enum, err := types.FindEnumByName(file.Enums().Get(0).FullName())
		if err != nil {
			return "", "", err
		}
		goType = reflect.TypeOf(enum.New(0))
	default:
		importPath, name := declaredPackage(file.Options().(*descriptorpb.FileOptions).GetGoPackage())
		if importPath == "" {
			return path.Join("nowhere.invalid", path.Dir(file.Path())), "nowhere", nil
		}
		return importPath, name, nil
	}
	if !goType.Implements(protoMessage) && !reflect.PointerTo(goType).Implements(protoMessage) && file.Messages().Len() > 0 {
		return "", "", fmt.Errorf("%s is no proto.Message", goType)
	}
	name, _, _ = strings.Cut(goType.String(), ".")
	return goType.PkgPath(), name, nil
}

var protoMessage = reflect.TypeFor[proto.Message]()

// declaredPackage splits the option go_package. The name is empty when it is
// for the generator to make.
func declaredPackage(option string) (importPath, name string) {
	importPath, name, _ = strings.Cut(option, ";")
	return importPath, name
}

// moduleOf returns the module of modules.txt that a Go package is of.
func moduleOf(importPath string) string {
	best := ""
	for line := range strings.Lines(moduleList) {
		fields := strings.Fields(line)
		if len(fields) == 2 && len(fields[1]) > len(best) && strings.HasPrefix(importPath+"/", fields[1]+"/") {
			best = fields[1]
		}
	}
	return cmp.Or(best, "(others)")
}
