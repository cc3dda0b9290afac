package merge

import (
	"bytes"
	"cmp"
	"fmt"
	"go/format"
	"go/parser"
	"go/token"
	"go/types"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Editor adds declarations to the end of one file, and the imports that they
// need.
type Editor struct {
	pkg      *Package
	file     *file
	isNew    bool
	names    map[string]string // import path → name in this file
	taken    map[string]bool   // names that no new import may have
	hidden   map[string]bool   // names that mean something else inside what is added
	added    []spec
	appended strings.Builder
}

// New returns the editor of a file that the package does not have yet, with a
// build constraint if that is not "". Declared are the names that its
// declarations will have at the top level.
func (p *Package) New(name, constraint string, declared ...string) *Editor {
	if constraint != "" {
		constraint = "//go:build " + constraint + "\n\n"
	}
	source := []byte(constraint + "package " + p.Name + "\n")
	full := path.Join(p.dir, name)
	syntax, err := parser.ParseFile(p.fset, full, source, parser.SkipObjectResolution)
	f := &file{name: name, source: source, syntax: syntax}
	e := p.newEditor(f)
	e.isNew = true
	if err != nil {
		e.appended.WriteString("package is no name") // Bytes will report it
	}
	for _, name := range declared {
		e.taken[name] = true
	}
	return e
}

func (p *Package) editorOf(f *file) *Editor {
	if f.editor == nil {
		f.editor = p.newEditor(f)
	}
	return f.editor
}

func (p *Package) newEditor(f *file) *Editor {
	e := &Editor{pkg: p, file: f, names: make(map[string]string), taken: make(map[string]bool), hidden: make(map[string]bool)}
	e.Hide(locals...)
	for _, name := range types.Universe.Names() {
		e.taken[name] = true
	}
	for _, other := range append(slices.Clone(p.files), f) {
		for _, id := range topLevel(other.syntax) {
			e.taken[id.Name] = true
		}
	}
	for _, i := range f.syntax.Imports {
		if i.Name != nil {
			e.taken[i.Name.Name] = true
			continue
		}
		for _, name := range guesses(pathOf(i)) {
			e.taken[name] = true
		}
	}
	return e
}

// Hide takes names for receivers and parameters of what is added. A package that the file
// knows by such a name is imported once more, by another.
func (e *Editor) Hide(names ...string) {
	for _, name := range names {
		e.taken[name], e.hidden[name] = true, true
	}
}

// Qualify returns how the file refers to an identifier of another package, and
// makes the file import that package if it does not.
func (e *Editor) Qualify(importPath, packageName, ident string) string {
	name, ok := e.names[importPath]
	if !ok {
		name = e.importName(importPath, packageName)
		e.names[importPath] = name
	}
	if name == "." {
		return ident
	}
	return name + "." + ident
}

func (e *Editor) importName(importPath, packageName string) string {
	for _, i := range e.file.syntax.Imports {
		if name := localName(i, packageName); pathOf(i) == importPath && name != "_" && !e.hidden[name] {
			return name
		}
	}
	name := packageName
	for n := 2; e.taken[name] || token.IsKeyword(name); n++ {
		name = packageName + strconv.Itoa(n)
	}
	e.taken[name] = true
	s := spec{path: importPath}
	if name != path.Base(importPath) {
		s.name = name
	}
	e.added = append(e.added, s)
	return name
}

// Append adds declarations.
func (e *Editor) Append(declarations string) {
	e.appended.WriteString("\n" + declarations)
}

// Changed reports whether the file is new, or something was added.
func (e *Editor) Changed() bool { return e.isNew || e.appended.Len() > 0 }

// Source returns what Load has read of the file, nil for a new one.
func (e *Editor) Source() []byte {
	if e.isNew {
		return nil
	}
	return e.file.source
}

// Bytes returns the file with what was added. Without additions it is the file
// as it was, to the byte.
func (e *Editor) Bytes() ([]byte, error) {
	if e.isNew {
		return e.newFile()
	}
	if e.appended.Len() == 0 {
		return e.file.source, nil
	}
	full := path.Join(e.pkg.dir, e.file.name)
	text, err := format.Source([]byte(e.appended.String()))
	if err != nil {
		return nil, fmt.Errorf("%s: what is to be added does not parse: %w", full, err)
	}
	eol := eolOf(e.file.source)
	tail := eol
	if !bytes.HasSuffix(e.file.source, []byte("\n")) {
		tail += eol
	}
	tail += strings.ReplaceAll(strings.Trim(string(text), "\n")+"\n", "\n", eol)
	insertions := insertImports(e.pkg.fset, e.file, e.added)
	insertions = append(insertions, insertion{len(e.file.source), tail})
	result := apply(e.file.source, insertions)
	if _, err := parser.ParseFile(token.NewFileSet(), full, result, parser.SkipObjectResolution); err != nil {
		return nil, fmt.Errorf("%s: the file would not parse any more, so nothing is written: %w", full, err)
	}
	return result, nil
}

func (e *Editor) newFile() ([]byte, error) {
	var b bytes.Buffer
	b.Write(e.file.source)
	if len(e.added) > 0 {
		b.WriteString("\nimport (\n" + importGroups(e.added) + ")\n")
	}
	b.WriteString(e.appended.String())
	formatted, err := format.Source(b.Bytes())
	if err != nil {
		return nil, fmt.Errorf("%s does not parse: %w", path.Join(e.pkg.dir, e.file.name), err)
	}
	return formatted, nil
}

// importGroups returns the lines of an import block: the standard library,
// then the rest.
func importGroups(specs []spec) string {
	specs = slices.Clone(specs)
	slices.SortFunc(specs, func(a, b spec) int {
		if x, y := isStandard(a.path), isStandard(b.path); x != y {
			if x {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.path, b.path)
	})
	var b strings.Builder
	for n, s := range specs {
		if n > 0 && isStandard(specs[n-1].path) && !isStandard(s.path) {
			b.WriteString("\n")
		}
		b.WriteString("\t" + s.String() + "\n")
	}
	return b.String()
}

// apply returns source with all insertions. Those at the same offset keep
// their order.
func apply(source []byte, insertions []insertion) []byte {
	slices.SortStableFunc(insertions, func(a, b insertion) int { return cmp.Compare(a.offset, b.offset) })
	var result []byte
	from := 0
	for _, i := range insertions {
		result = append(result, source[from:i.offset]...)
		result = append(result, i.text...)
		from = i.offset
	}
	return append(result, source[from:]...)
}
