package merge

import (
	"bytes"
	"cmp"
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// spec is an import that a file does not have yet.
type spec struct {
	name string // "" when it is the last element of the path
	path string
}

func (s spec) String() string {
	if s.name == "" {
		return strconv.Quote(s.path)
	}
	return s.name + " " + strconv.Quote(s.path)
}

// insertion is text that goes between two bytes of a file.
type insertion struct {
	offset int
	text   string
}

// standard are the top-level directories of the standard library.
var standard = strings.Fields(`archive arena bufio bytes cmp compress container context crypto database
	debug embed encoding errors expvar flag fmt go hash html image index io iter log maps math mime net
	os path plugin reflect regexp runtime simd slices sort strconv strings structs sync syscall testing
	text time unicode unique unsafe weak`)

// isStandard reports whether a package is of the standard library.
func isStandard(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return slices.Contains(standard, first)
}

func pathOf(i *ast.ImportSpec) string {
	p, err := strconv.Unquote(i.Path.Value)
	if err != nil {
		return ""
	}
	return p
}

// importsAs reports whether a file knows a package by a name.
func importsAs(f *ast.File, importPath, packageName, name string) bool {
	for _, i := range f.Imports {
		if pathOf(i) == importPath && localName(i, packageName) == name {
			return true
		}
	}
	return false
}

// localName returns the name that an import gives to its package, whose own
// name is packageName.
func localName(i *ast.ImportSpec, packageName string) string {
	if i.Name != nil {
		return i.Name.Name
	}
	return packageName
}

// importedAs returns the path of the package that a file knows by a name. The
// name of a package is not in the file, so it goes by the path.
func importedAs(f *ast.File, name string) string {
	for _, i := range f.Imports {
		if i.Name != nil && i.Name.Name == name {
			return pathOf(i)
		}
	}
	for _, i := range f.Imports {
		if i.Name == nil && slices.Contains(guesses(pathOf(i)), name) {
			return pathOf(i)
		}
	}
	return name
}

var version = regexp.MustCompile(`^v[0-9]+$|\.v[0-9]+$`)

// guesses returns the names that the package of an import path may have.
func guesses(importPath string) []string {
	base := path.Base(importPath)
	names := []string{base}
	if version.MatchString(base) {
		parent := path.Base(path.Dir(importPath))
		names = append(names, parent, parent+base, version.ReplaceAllString(base, ""))
	}
	for _, name := range slices.Clone(names) {
		trimmed := strings.TrimSuffix(strings.TrimPrefix(name, "go-"), "-go")
		names = append(names, trimmed, strings.NewReplacer("-", "", ".", "").Replace(trimmed),
			strings.NewReplacer("-", "_", ".", "_").Replace(trimmed))
	}
	return names
}

// insertImports returns where new imports go in a file, so that a file that is
// formatted stays so as far as its own layout allows.
func insertImports(fset *token.FileSet, f *file, specs []spec) []insertion {
	if len(specs) == 0 {
		return nil
	}
	slices.SortFunc(specs, func(a, b spec) int { return cmp.Compare(a.path, b.path) })
	l := &layout{source: f.source, tokens: fset.File(f.syntax.FileStart), eol: eolOf(f.source)}
	if block := l.block(f.syntax); block != nil {
		return l.intoBlock(block, specs)
	}
	return []insertion{l.afterLastImport(f.syntax, specs)}
}

// layout answers questions about the lines of a file.
type layout struct {
	source []byte
	tokens *token.File
	eol    string
}

func (l *layout) offset(pos token.Pos) int { return l.tokens.Offset(pos) }

// lineStart returns the offset of the first byte of the line of pos.
func (l *layout) lineStart(pos token.Pos) int {
	return bytes.LastIndexByte(l.source[:l.offset(pos)], '\n') + 1
}

// lineEnd returns the offset behind the line of pos with its line end, and
// whether there is one.
func (l *layout) lineEnd(pos token.Pos) (int, bool) {
	at := l.offset(pos)
	n := bytes.IndexByte(l.source[at:], '\n')
	if n < 0 {
		return len(l.source), false
	}
	return at + n + 1, true
}

// alone reports whether only white space and a comment to the end of the line
// follow end on its line.
func (l *layout) alone(end token.Pos) bool {
	stop, ok := l.lineEnd(end)
	if !ok {
		return false
	}
	rest := bytes.TrimSpace(l.source[l.offset(end):stop])
	return len(rest) == 0 || bytes.HasPrefix(rest, []byte("//"))
}

// block returns the first import declaration with parentheses that has each
// import, and the closing parenthesis, on a line of its own.
func (l *layout) block(f *ast.File) *ast.GenDecl {
	for _, decl := range f.Decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok || gen.Tok != token.IMPORT {
			break
		}
		if gen.Lparen.IsValid() && len(gen.Specs) > 0 && l.tidy(gen) {
			return gen
		}
	}
	return nil
}

func (l *layout) tidy(gen *ast.GenDecl) bool {
	if !l.alone(gen.Lparen + 1) {
		return false
	}
	for _, s := range gen.Specs {
		before := l.source[l.lineStart(s.Pos()):l.offset(s.Pos())]
		if len(bytes.TrimSpace(before)) > 0 || !l.alone(s.End()) || pathOf(s.(*ast.ImportSpec)) == "C" {
			return false
		}
	}
	return len(bytes.TrimSpace(l.source[l.lineStart(gen.Rparen):l.offset(gen.Rparen)])) == 0
}

// intoBlock puts each import before the first one of its group that sorts
// after it, or else at the end of the group.
func (l *layout) intoBlock(block *ast.GenDecl, specs []spec) []insertion {
	groups := l.groups(block)
	var result []insertion
	byKind := map[bool][]spec{}
	for _, s := range specs {
		byKind[isStandard(s.path)] = append(byKind[isStandard(s.path)], s)
	}
	if s := byKind[true]; len(s) > 0 {
		result = append(result, l.intoGroup(groups, s, true)...)
	}
	if s := byKind[false]; len(s) > 0 {
		result = append(result, l.intoGroup(groups, s, false)...)
	}
	return result
}

// groups returns the imports of a block, split at empty lines.
func (l *layout) groups(block *ast.GenDecl) [][]*ast.ImportSpec {
	var groups [][]*ast.ImportSpec
	last := 0
	for _, s := range block.Specs {
		i := s.(*ast.ImportSpec)
		first := l.tokens.Line(l.startOf(i))
		if len(groups) == 0 || first > last+1 {
			groups = append(groups, nil)
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], i)
		last = l.tokens.Line(i.End())
	}
	return groups
}

// startOf returns where an import with its comment starts.
func (l *layout) startOf(i *ast.ImportSpec) token.Pos {
	if i.Doc != nil {
		return i.Doc.Pos()
	}
	return i.Pos()
}

// intoGroup adds imports to the group that has others of their kind: the first
// such group for the standard library, the last one for others. Where there is
// none, they become the first or the last group.
func (l *layout) intoGroup(groups [][]*ast.ImportSpec, specs []spec, std bool) []insertion {
	group := -1
	for n, g := range groups {
		if isStandard(pathOf(g[len(g)-1])) == std && (group < 0 || !std) {
			group = n
		}
	}
	if group < 0 {
		return []insertion{l.ownGroup(groups, specs, std)}
	}
	var result []insertion
	for _, s := range specs {
		result = append(result, insertion{l.placeIn(groups[group], s), "\t" + s.String() + l.eol})
	}
	return result
}

func (l *layout) ownGroup(groups [][]*ast.ImportSpec, specs []spec, std bool) insertion {
	var b strings.Builder
	for _, s := range specs {
		b.WriteString("\t" + s.String() + l.eol)
	}
	if std {
		return insertion{l.lineStart(l.startOf(groups[0][0])), b.String() + l.eol}
	}
	last := groups[len(groups)-1]
	end, _ := l.lineEnd(last[len(last)-1].End())
	return insertion{end, l.eol + b.String()}
}

func (l *layout) placeIn(group []*ast.ImportSpec, s spec) int {
	for _, i := range group {
		if pathOf(i) > s.path {
			return l.lineStart(l.startOf(i))
		}
	}
	end, _ := l.lineEnd(group[len(group)-1].End())
	return end
}

// afterLastImport adds imports as a declaration of their own.
func (l *layout) afterLastImport(f *ast.File, specs []spec) insertion {
	end, has := f.Name.End(), false
	for _, decl := range f.Decls {
		if gen, ok := decl.(*ast.GenDecl); ok && gen.Tok == token.IMPORT {
			end, has = gen.End(), true
		}
	}
	if !l.alone(end) {
		// Something else is on the line, so the imports go before it.
		var b strings.Builder
		for _, s := range specs {
			b.WriteString("; import " + s.String())
		}
		return insertion{l.offset(end), b.String()}
	}
	at, _ := l.lineEnd(end)
	var b strings.Builder
	if !has {
		b.WriteString(l.eol)
	}
	for _, s := range specs {
		b.WriteString("import " + s.String() + l.eol)
	}
	return insertion{at, b.String()}
}

// eolOf returns the line end that most lines of a file have.
func eolOf(source []byte) string {
	if crlf := bytes.Count(source, []byte("\r\n")); crlf > 0 && 2*crlf >= bytes.Count(source, []byte("\n")) {
		return "\r\n"
	}
	return "\n"
}
