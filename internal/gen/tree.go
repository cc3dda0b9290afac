package gen

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/iansmith/parigot/internal/gen/merge"
)

// tree is what a run with impl=DIR or guest_impl=DIR can read: the module around the working
// directory. A plugin does not learn where its output goes. So the names of its files
// begin with DIR, which is right in the working directory and hits nothing in most
// others, and the tree is searched for what they could hit all the same.
type tree struct {
	outside   fs.FS
	root      string   // the module in outside
	fsys      fs.FS    // the module
	dir       string   // the working directory in it
	names     []string // of all files
	templates []*bufTemplate
}

// readTree returns nil without files.
func readTree(where Workspace) (*tree, error) {
	if where.FS == nil {
		return nil, nil
	}
	t := &tree{outside: where.FS, root: path.Clean(where.Module), dir: path.Clean(where.Dir)}
	var err error
	if t.fsys, err = fs.Sub(where.FS, t.root); err != nil {
		return nil, err
	}
	return t, fs.WalkDir(t.fsys, ".", t.visit)
}

// working returns the working directory, or nil.
func (t *tree) working() fs.FS {
	if t == nil {
		return nil
	}
	sub, err := fs.Sub(t.fsys, t.dir)
	if err != nil {
		return nil
	}
	return sub
}

func (t *tree) visit(name string, entry fs.DirEntry, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrNotExist):
		return nil // nobody writes there either, or it went meanwhile
	case err != nil:
		return err
	case entry.IsDir():
		return t.visitDir(name)
	case entry.Type()&^fs.ModeSymlink != 0:
		return nil // a pipe, or the like, which does not end
	}
	t.names = append(t.names, name)
	if !slices.Contains([]string{".yaml", ".yml", ".json"}, path.Ext(name)) {
		return nil
	}
	text, err := t.readTemplate(name)
	if err != nil {
		return err
	}
	template, err := parseTemplate(name, text)
	if template != nil {
		t.templates = append(t.templates, template)
	}
	return err
}

// visitDir skips folders that are no part of the project: those that the go command
// skips, the packages of npm, and checkouts of their own, such as submodules and
// worktrees. The working directory and the folders above it are looked at all the same.
func (t *tree) visitDir(name string) error {
	if name != "." && !t.isBelow(name) {
		base := path.Base(name)
		if base == "vendor" || base == "node_modules" || base[0] == '.' || base[0] == '_' {
			return fs.SkipDir
		}
		if _, err := fs.Stat(t.fsys, path.Join(name, ".git")); err == nil {
			return fs.SkipDir
		}
	}
	return nil
}

// isBelow reports whether the working directory is in a directory.
func (t *tree) isBelow(name string) bool {
	return t.dir == name || strings.HasPrefix(t.dir, name+"/")
}

// readTemplate reads a file that may be a template. It is empty when it is too long
// or cannot be read, which buf could not either.
func (t *tree) readTemplate(name string) ([]byte, error) {
	info, err := fs.Stat(t.fsys, name) // of what a link leads to
	if err == nil && (info.Size() > maxTemplate || !info.Mode().IsRegular()) {
		return nil, nil
	}
	var text []byte
	if err == nil {
		text, err = fs.ReadFile(t.fsys, name)
	}
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return text, err
}

// entry returns the entry of buf's templates for a directory of impl or guest_impl. It is
// nil when there is none, and the error says what is wrong with one.
func (t *tree) entry(parameter, dir string) (*pluginEntry, *bufTemplate, error) {
	var found *pluginEntry
	var in *bufTemplate
	for _, template := range t.templates {
		entry, err := template.entry(parameter, dir)
		if err != nil {
			return nil, nil, err
		}
		if entry != nil && (found == nil || len(entry.Types) == 0) {
			found, in = entry, template
		}
	}
	return found, in, nil
}

// refuseSecond reports an implementation of a service outside of the directory that
// would get a new one: somebody may have renamed a folder, or mistyped it. The
// directories of other entries are neither.
func (r *skeletonRun) refuseSecond() error {
	if r.tree == nil || len(r.created) == 0 {
		return nil
	}
	known := r.knownDirs()
	for _, name := range r.tree.names {
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || known[path.Dir(name)] {
			continue
		}
		text, err := fs.ReadFile(r.tree.fsys, name)
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		for _, view := range r.created {
			if line, _ := merge.Implements(text, view.serverInterface()); line != 0 {
				return fmt.Errorf("%s:%d implements %s, and %s does not, so nothing is written: if that is the implementation, set %s to its directory; for a second one, write a type into %s yourself, with the line\n\tvar _ %s = (*%s)(nil)",
					name, line, view.FullName, r.in, r.kind.parameter, path.Join(r.in, view.fileName), view.serverInterface(), view.Type)
			}
		}
	}
	return nil
}

// knownDirs returns the directories of implementations that this run and the entries of
// buf's templates name.
func (r *skeletonRun) knownDirs() map[string]bool {
	known := make(map[string]bool)
	for _, dir := range r.parameters.impl {
		known[path.Join(r.tree.dir, dir)] = true
	}
	for _, template := range r.tree.templates {
		for _, entry := range template.Plugins {
			for _, dir := range entry.dirs() {
				known[path.Join(r.tree.dir, dir)] = true
			}
		}
	}
	return known
}
