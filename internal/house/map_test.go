// Package house tests that the code is built as CONTRIBUTING.md says: which folder may
// import which, what the parts that others link reach, and how long a file is.
package house

import (
	"flag"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	root   = "../.."
	module = "github.com/iansmith/parigot"
	page   = root + "/CONTRIBUTING.md"
	linter = root + "/.golangci.yml"
)

var update = flag.Bool("update", false, "write the linter's lists from the map")

// TestMapIsTheCode: each folder with Go code has one row in the map, and imports what the
// row says: no more, and no less.
func TestMapIsTheCode(t *testing.T) {
	t.Parallel()
	rows, code := readMap(t), readCode(t)
	seen := map[string]*row{}
	for _, r := range rows {
		used := map[string]bool{}
		for _, folder := range r.folders {
			require.Contains(t, code, folder, "CONTRIBUTING.md has a row for %s, which has no Go code", folder)
			require.NotContains(t, seen, folder, "CONTRIBUTING.md has two rows for %s", folder)
			seen[folder] = r
			for _, imported := range code[folder] {
				if first, _, _ := strings.Cut(imported, "/"); !strings.Contains(first, ".") {
					continue // of the standard library
				}
				entry, found := r.allows(imported)
				require.True(t, found || r.anything, "%s imports %s, which its row in CONTRIBUTING.md does not allow", folder, imported)
				used[entry] = true
			}
		}
		for entry := range r.imports {
			require.True(t, used[entry], "CONTRIBUTING.md lets %s import %s, which it does not", r.name(), entry)
		}
	}
	for folder := range code {
		require.Contains(t, seen, folder, "CONTRIBUTING.md has no row for %s", folder)
	}
}

// TestLinterEnforcesTheMap: the linter's allow-lists are those of the map.
func TestLinterEnforcesTheMap(t *testing.T) {
	t.Parallel()
	const begin, end = "        # Begin of the map.\n", "        # End of the map.\n"
	text, err := os.ReadFile(linter)
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(text), begin)
	require.True(t, found)
	got, after, found := strings.Cut(rest, end)
	require.True(t, found)
	var want strings.Builder
	for _, r := range readMap(t) {
		if !r.anything {
			want.WriteString("        " + r.rule() + "\n")
		}
	}
	if *update {
		require.NoError(t, os.WriteFile(linter, []byte(before+begin+want.String()+end+after), 0o600))
		return
	}
	require.Equal(t, want.String(), got, "after a change of the map: go test ./internal/house -update")
}

// row is a row of the map.
type row struct {
	section  string
	patterns []string            // as they are written
	folders  []string            // those with Go code that the patterns match
	imports  map[string][]string // what it may import: as it is written, and as the linter wants it
	anything bool
}

func (r *row) name() string { return strings.TrimSuffix(r.patterns[0], "/...") }

// allows returns the entry that allows an import.
func (r *row) allows(imported string) (entry string, found bool) {
	for entry, prefixes := range r.imports {
		for _, p := range prefixes {
			exact, isExact := strings.CutSuffix(p, "$")
			if isExact && imported == exact || !isExact && strings.HasPrefix(imported, p) {
				return entry, true
			}
		}
	}
	return "", false
}

// rule is the row for the linter.
func (r *row) rule() string {
	var files []string
	for _, p := range r.patterns {
		if below, all := strings.CutSuffix(p, "/..."); all {
			files = append(files, strconv.Quote("**/"+below+"/**.go"))
		} else {
			files = append(files, strconv.Quote("**/"+p+"/*.go"))
		}
	}
	files = append(files, `"!$test"`, `"!**/testdata/**"`)
	allow := slices.Sorted(func(yield func(string) bool) {
		for _, prefixes := range r.imports {
			for _, p := range prefixes {
				if !yield(p) {
					return
				}
			}
		}
	})
	allow = append([]string{"$gostd"}, allow...)
	if slices.ContainsFunc(allow, func(p string) bool { return strings.HasPrefix(p, "go.") }) {
		allow = append(allow, "go/") // depguard looks at the entry before the import only: for go/ast, not at go
	}
	return strconv.Quote(r.name()) + ": {list-mode: strict, files: [" + strings.Join(files, ", ") + "], allow: [" + strings.Join(allow, ", ") + "]}"
}

var (
	tableRow = regexp.MustCompile("(?m)^\\| (`.*`) \\| .* \\| (.*) \\|$|^### (.*)$")
	codeSpan = regexp.MustCompile("`([^`]+)`")
)

// readMap reads the tables below "The house".
func readMap(t *testing.T) (rows []*row) {
	t.Helper()
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	_, house, found := strings.Cut(string(text), "\n## The house\n")
	require.True(t, found)
	house, _, _ = strings.Cut(house, "\n## ")
	folders, modules, section := slices.Sorted(maps.Keys(readCode(t))), requirements(t), ""
	for _, m := range tableRow.FindAllStringSubmatch(house, -1) {
		if m[3] != "" {
			section = m[3]
			continue
		}
		r := &row{section: section, imports: map[string][]string{}, anything: m[2] == "anything"}
		for _, p := range codeSpan.FindAllStringSubmatch(m[1], -1) {
			r.patterns = append(r.patterns, p[1])
			matches := matching(folders, p[1])
			require.NotEmpty(t, matches, "CONTRIBUTING.md has a row for %s, which has no Go code", p[1])
			r.folders = append(r.folders, matches...)
		}
		for _, e := range codeSpan.FindAllStringSubmatch(m[2], -1) {
			r.imports[e[1]] = resolve(t, e[1], folders, modules)
		}
		require.True(t, r.anything || m[2] == "–" || len(r.imports) > 0, "CONTRIBUTING.md says of %s: %s", r.name(), m[2])
		rows = append(rows, r)
	}
	require.NotEmpty(t, rows)
	return rows
}

// resolve returns what an entry of the last column allows: a folder, one in pluginsdk, or
// a module that go.mod requires or a package of it, by the end of its path.
func resolve(t *testing.T, entry string, folders, modules []string) (prefixes []string) {
	t.Helper()
	for _, candidate := range []string{entry, "pluginsdk/" + entry} {
		if matches := matching(folders, candidate); len(matches) > 0 {
			return prefixesOf(matches, candidate)
		}
	}
	for end, of := entry, ""; end != "." && len(prefixes) == 0; end, of = path.Dir(end), strings.TrimPrefix(entry, path.Dir(end))+"$" {
		for _, required := range modules {
			if strings.HasSuffix(version.ReplaceAllString(required, ""), "/"+end) {
				prefixes = append(prefixes, required+of)
			}
		}
	}
	require.Len(t, prefixes, 1, "CONTRIBUTING.md: what is %s?", entry)
	return prefixes
}

// prefixesOf returns what allows folders that a pattern matches, and those that are yet to
// come.
func prefixesOf(folders []string, pattern string) (prefixes []string) {
	below, all := strings.CutSuffix(pattern, "/...")
	for _, f := range folders {
		base := strings.Join(strings.Split(f, "/")[:strings.Count(below, "/")+1], "/")
		if f == base {
			prefixes = append(prefixes, module+"/"+f+"$")
		}
		if all {
			prefixes = append(prefixes, module+"/"+base+"/")
		}
	}
	slices.Sort(prefixes)
	return slices.Compact(prefixes)
}

var (
	version     = regexp.MustCompile(`/v\d+$`)
	requirement = regexp.MustCompile(`(?m)^\t(\S+) v\S+$`) // and no comment that it is indirect
)

func requirements(t *testing.T) (modules []string) {
	t.Helper()
	text, err := os.ReadFile(root + "/go.mod")
	require.NoError(t, err)
	for _, m := range requirement.FindAllStringSubmatch(string(text), -1) {
		modules = append(modules, m[1])
	}
	return modules
}

// matching returns the folders that a pattern means: * is one name, and /... all below.
func matching(folders []string, pattern string) (matches []string) {
	below, all := strings.CutSuffix(pattern, "/...")
	depth := strings.Count(below, "/") + 1
	for _, f := range folders {
		names := strings.Split(f, "/")
		if len(names) < depth || len(names) > depth && !all {
			continue
		}
		if ok, _ := path.Match(below, strings.Join(names[:depth], "/")); ok {
			matches = append(matches, f)
		}
	}
	return matches
}

// readCode returns the folders of the repository with Go code, and what that imports,
// whatever its build tags, without its tests.
func readCode(t *testing.T) map[string][]string {
	t.Helper()
	code := map[string][]string{}
	walk(t, func(name string) {
		folder := path.Dir(name)
		if path.Ext(name) != ".go" || strings.Contains("/"+name, "/testdata/") {
			return
		}
		code[folder] = append(code[folder], importsOf(t, name)...)
	})
	for folder, imported := range code {
		slices.Sort(imported)
		code[folder] = slices.Compact(imported)
	}
	return code
}

func importsOf(t *testing.T, name string) (imported []string) {
	t.Helper()
	if strings.HasSuffix(name, "_test.go") {
		return nil
	}
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, name), nil, parser.ImportsOnly)
	require.NoError(t, err)
	for _, spec := range f.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		require.NoError(t, err)
		imported = append(imported, p)
	}
	return imported
}

// walk calls each with all files of the repository, by their paths in it.
func walk(t *testing.T, each func(name string)) {
	t.Helper()
	require.NoError(t, fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (name == "build" || strings.HasPrefix(path.Base(name), ".") && name != "."):
			return fs.SkipDir
		case d.Type().IsRegular():
			each(name)
		}
		return nil
	}))
}
