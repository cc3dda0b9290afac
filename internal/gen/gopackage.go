package gen

import (
	"go/token"
	"strings"
	"unicode"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// checkGoPackages reports what is wrong with the Go packages of a file and of the
// messages of its services: protogen takes them as they are written.
func (g *generator) checkGoPackages(file *protogen.File) {
	g.checkGoPackage(file)
	for _, service := range file.Services {
		for _, method := range service.Methods {
			for _, message := range []*protogen.Message{method.Input, method.Output} {
				g.checkGoPackage(g.plugin.FilesByPath[message.Desc.ParentFile().Path()])
			}
		}
	}
}

func (g *generator) checkGoPackage(file *protogen.File) {
	const goPackage = 11 // its number in FileOptions
	at := positionOfPath(file.Desc, protoreflect.SourcePath{optionsOfFile, goPackage})
	if name := string(file.GoPackageName); !token.IsIdentifier(name) || name == "_" {
		g.problems.add(at, "%q cannot be the name of a Go package: write an identifier after the ; in go_package, or in the parameter M%s", name, file.Desc.Path())
	}
	if path := string(file.GoImportPath); !isImportPath(path) {
		g.problems.add(at, "%q cannot be imported: use only letters, digits and -._~+/ in go_package, or in the parameter M%s", path, file.Desc.Path())
	}
}

// isImportPath reports whether an import declaration can have the path, by the Go
// specification.
func isImportPath(path string) bool {
	return path != "" && !strings.ContainsFunc(path, func(r rune) bool {
		return strings.ContainsRune("!\"#$%&'()*,:;<=>?[\\]^`{|}\uFFFD", r) || !unicode.IsGraphic(r) || unicode.IsSpace(r)
	})
}
