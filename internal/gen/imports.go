package gen

import (
	"bytes"
	"fmt"
	"go/token"
	"go/types"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"google.golang.org/protobuf/compiler/protogen"
)

// locals are the names of parameters, receivers and variables in the templates. No
// import gets such a name, so none is hidden.
var locals = []string{
	"c", "conn", "ctx", "e", "err", "h", "impl", "m", "opts", "p", "remote", "req",
	"reqLen", "requires", "resp", "respCap", "s", "stack",
}

// importMark stands where the imports go. No other text of a file can hold it, see
// printable.
const importMark = "\x00"

// imports are the packages that a generated file imports.
type imports struct {
	own    protogen.GoImportPath // of the file itself
	scopes *[2]*scope            // what its package declares
	names  map[protogen.GoImportPath]string
	taken  map[string]bool
}

func newImports(own protogen.GoImportPath, scopes *[2]*scope) *imports {
	i := &imports{own: own, scopes: scopes, names: make(map[protogen.GoImportPath]string), taken: make(map[string]bool)}
	for _, name := range slices.Concat(types.Universe.Names(), locals) {
		i.taken[name] = true
	}
	return i
}

// qualify is a [qualifier].
func (i *imports) qualify(id protogen.GoIdent) string {
	if id.GoImportPath == i.own {
		return id.GoName
	}
	name, ok := i.names[id.GoImportPath]
	if !ok {
		name = i.choose(id.GoImportPath)
		i.names[id.GoImportPath], i.taken[name] = name, true
	}
	return name + "." + id.GoName
}

// choose returns the last element of a path, with a number if something else has that
// name, or may get it.
func (i *imports) choose(importPath protogen.GoImportPath) string {
	base := goName(path.Base(string(importPath)))
	name := base
	for n := 1; !i.free(name, importPath); n++ {
		name = base + strconv.Itoa(n)
	}
	return name
}

func (i *imports) free(name string, importPath protogen.GoImportPath) bool {
	if of, ok := packages[name]; i.taken[name] || ok && of != importPath {
		return false
	}
	for _, s := range i.scopes {
		if _, declared := s.taken[name]; declared {
			return false
		}
	}
	return true
}

// goName makes an identifier of the last element of an import path.
func goName(element string) string {
	name := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return '_'
	}, element)
	if !token.IsIdentifier(name) || name == "_" {
		name = "_" + name
	}
	return name
}

// block returns the import declaration, by path. It is empty without imports.
func (i *imports) block() []byte {
	if len(i.names) == 0 {
		return nil
	}
	var b bytes.Buffer
	b.WriteString("\nimport (\n")
	for _, importPath := range sortedKeys(i.names) {
		_, _ = fmt.Fprintf(&b, "\t%s %q\n", i.names[importPath], string(importPath))
	}
	b.WriteString(")\n")
	return b.Bytes()
}

// withImports returns the text of a template with the import declaration.
func withImports(text, block []byte) []byte {
	before, after, _ := bytes.Cut(text, []byte(importMark))
	return slices.Concat(before, block, after)
}
