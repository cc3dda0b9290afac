package gen

import (
	"strings"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// ownPackage is the proto package of Parigot's own files, whose Go packages are in
// its module.
const ownPackage = "parigot.v1"

// checkOwnPackages reports the first import of one of Parigot's own proto files
// that was given a Go package outside its module, as buf's managed mode does. What
// is generated would import that package, and protobuf allows no second copy of it.
func (g *generator) checkOwnPackages() {
	for _, file := range g.files() {
		imports := file.Desc.Imports()
		for i := range imports.Len() {
			imported := g.plugin.FilesByPath[imports.Get(i).Path()]
			if imported == nil || rightlyPlaced(imported) {
				continue
			}
			const fieldDependency = 3
			at := positionOfPath(file.Desc, protoreflect.SourcePath{fieldDependency, int32(i)})
			g.problems.add(at, `the Go package of %s is %s, which nobody makes: it has to stay in %s. If that comes from managed mode, buf.gen.yaml needs these lines:
managed:
  disable:
    - path: %s
If it comes from a parameter M%s, leave that out`,
				imported.Desc.Path(), string(imported.GoImportPath), modulePath, strings.ReplaceAll(ownPackage, ".", "/"), imported.Desc.Path())
			return
		}
	}
}

// rightlyPlaced reports whether a file is none of Parigot's, or has a Go package of its module.
func rightlyPlaced(file *protogen.File) bool {
	return file.Desc.Package() != ownPackage || strings.HasPrefix(string(file.GoImportPath)+"/", modulePath+"/")
}
