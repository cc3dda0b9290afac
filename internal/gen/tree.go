package gen

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/iansmith/parigot/internal/gen/merge"
)

// tree is what a run with impl=DIR can read: the module around the working
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

// visitDir skips what is no part of the project: git's own files, the packages of
// npm, and checkouts of their own, such as submodules and worktrees.
func (t *tree) visitDir(name string) error {
	if base := path.Base(name); base == ".git" || base == "node_modules" {
		return fs.SkipDir
	}
	if name != "." && !t.isBelow(name) {
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

// entry returns the entry of buf's templates for impl=DIR. It is nil when there is
// none, and the error says what is wrong with one.
func (t *tree) entry(impl string) (*pluginEntry, *bufTemplate, error) {
	var found *pluginEntry
	var in *bufTemplate
	for _, template := range t.templates {
		entry, err := template.entry(impl)
		if err != nil {
			return nil, nil, err
		}
		if entry != nil && (found == nil || len(entry.Types) == 0) {
			found, in = entry, template
		}
	}
	return found, in, nil
}

// newFile is a file of the response.
type newFile struct {
	name    string // relative to the working directory
	content []byte
	read    []byte // what this run has read of it, nil for nothing
	info    fs.FileInfo
}

// refuseLoss reports a file that an output would replace, although this run has not
// read it: at the output's place, or at that place below another directory, because
// that may be where the output goes.
func (t *tree) refuseLoss(o newFile) error {
	if t == nil {
		return nil
	}
	own := path.Join(t.dir, o.name)
	there, err := fs.ReadFile(t.fsys, own)
	switch {
	case errors.Is(err, fs.ErrNotExist) && o.read == nil:
	case err != nil:
		return err
	case o.read == nil || !bytes.Equal(there, o.read):
		return fmt.Errorf("%s is there, and is not what this run read, so nothing is written: run it again, or move the file away", own)
	}
	o.info, _ = fs.Stat(t.fsys, own)
	suffix := "/" + strings.ToLower(o.name)
	for _, name := range t.names {
		if name == own || !strings.HasSuffix("/"+strings.ToLower(name), suffix) {
			continue
		}
		if err := refuseOther(t.fsys, name, name, "otherwise rename it", o); err != nil {
			return err
		}
	}
	return t.refuseLossOutside(o)
}

// refuseOther reports a file that has the name of an output below another directory,
// unless the output is the same.
func refuseOther(fsys fs.FS, name, shown, otherwise string, o newFile) error {
	info, err := fs.Stat(fsys, name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && o.info != nil && os.SameFile(info, o.info) {
		return nil // it went meanwhile, or a link leads to nothing, or to the output's place
	}
	if err != nil {
		return err
	}
	text, err := fs.ReadFile(fsys, name)
	if err == nil && bytes.Equal(text, o.content) {
		return nil
	}
	if err != nil {
		return err
	}
	below := path.Clean(shown[:len(shown)-len(o.name)])
	return fmt.Errorf("%s is %s below %s, where the output may go without the plugin knowing it, and would be replaced, so nothing is written: if it is the implementation, run the compiler in %s; if it is a copy, delete it; %s", shown, o.name, below, below, otherwise)
}

// refuseLossOutside looks into the directories beside the module, and beside the one
// above it, because -o may name such a one. Checkouts of their own are left out:
// worktrees of one project have all names in common.
func (t *tree) refuseLossOutside(o newFile) error {
	if t.root == "." {
		return nil
	}
	above, up := path.Dir(t.root), ".."
	for range 2 {
		if above == "." {
			return nil // that may be the root of the file system
		}
		places := []string{"."}
		entries, _ := fs.ReadDir(t.outside, above) // what cannot be read is left out
		for _, entry := range entries {
			if _, err := fs.Stat(t.outside, path.Join(above, entry.Name(), ".git")); err != nil {
				places = append(places, entry.Name())
			}
		}
		for _, place := range places {
			name := path.Join(above, place, o.name)
			if name == path.Join(t.root, t.dir, o.name) {
				continue
			}
			if info, err := fs.Stat(t.outside, name); err != nil || !info.Mode().IsRegular() {
				continue
			}
			if err := refuseOther(t.outside, name, path.Join(up, place, o.name), "if the directory is a project of its own, run git init there", o); err != nil {
				return err
			}
		}
		above, up = path.Dir(above), up+"/.."
	}
	return nil
}

// refuseSecond reports an implementation of a service outside of the directory that
// would get a new one: somebody may have renamed a folder, or mistyped it.
func (t *tree) refuseSecond(impl string, created []*skeletonView) error {
	if t == nil || len(created) == 0 {
		return nil
	}
	for _, name := range t.names {
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || path.Dir(name) == path.Join(t.dir, impl) {
			continue
		}
		text, err := fs.ReadFile(t.fsys, name)
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		for _, view := range created {
			if line := merge.Implements(text, view.implInterface()); line != 0 {
				return fmt.Errorf("%s:%d implements %s, and %s does not, so nothing is written: if that is the implementation, set impl to its directory; for a second one, write a type into %s yourself, with the line\n\tvar _ %s = (*%s)(nil)",
					name, line, view.FullName, impl, path.Join(impl, view.fileName), view.implInterface(), view.Plugin)
			}
		}
	}
	return nil
}
