package gen

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/iansmith/parigot/internal/gen/merge"
)

// newFile is a file of the response.
type newFile struct {
	name    string // relative to the working directory
	content []byte
	read    []byte // what this run has read of it, nil for nothing
	info    fs.FileInfo
	// implements are the services of a skeleton: beside the module, only files that
	// implement one of them count. Without any, all files count.
	implements []merge.Interface
}

// hit is a file that an output would replace if it went below another directory.
// The paths are relative to the working directory.
type hit struct{ file, below string }

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
	found := t.elsewhere(o)
	if found == nil {
		return nil
	}
	remedy := "move it elsewhere"
	if strings.Trim(found.below, "./") != "" { // otherwise the working directory is below, too
		remedy += ", or make the folder a project of its own: git init " + found.below
	}
	return fmt.Errorf("%s is %s below %s, where the output may go without the plugin knowing it, and would be replaced, so nothing is written: if it is the implementation, run the compiler in %s; otherwise %s",
		found.file, o.name, found.below, found.below, remedy)
}

// elsewhere returns a file that an output would replace below another directory, or nil.
func (t *tree) elsewhere(o newFile) *hit {
	if t == nil {
		return nil
	}
	suffix := "/" + strings.ToLower(o.name)
	for _, name := range t.names {
		if name == path.Join(t.dir, o.name) || !strings.HasSuffix("/"+strings.ToLower(name), suffix) {
			continue
		}
		if name := path.Join(t.root, name); o.replaces(t.outside, name, nil) {
			return t.hit(name, o)
		}
	}
	return t.beside(o)
}

// beside looks into the directories beside the module, and beside the one above it,
// because -o may name such a one. Checkouts of their own are left out: worktrees of
// one project have all names in common.
func (t *tree) beside(o newFile) *hit {
	above := t.root
	for range 2 {
		if above = path.Dir(above); above == "." {
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
			if name != path.Join(t.root, t.dir, o.name) && o.replaces(t.outside, name, o.implements) {
				return t.hit(name, o)
			}
		}
	}
	return nil
}

func (t *tree) hit(name string, o newFile) *hit {
	below, file := name[:len(name)-len(o.name)], name[len(name)-len(o.name):]
	seen, err := filepath.Rel(path.Join(t.root, t.dir), path.Clean(below))
	if err != nil { // never, as none of them begins with ..
		seen = below
	}
	return &hit{file: path.Join(filepath.ToSlash(seen), file), below: filepath.ToSlash(seen)}
}

// replaces reports whether something would be lost if the output replaced a file: it is
// another one, with other text. If services are given, it must implement one of them, or
// not be readable.
func (o newFile) replaces(fsys fs.FS, name string, services []merge.Interface) bool {
	info, err := fs.Stat(fsys, name)
	if err != nil || !info.Mode().IsRegular() || o.info != nil && os.SameFile(info, o.info) {
		return false // it went meanwhile, or a link leads to nothing, or to the output's place
	}
	text, err := fs.ReadFile(fsys, name)
	if err != nil || len(services) == 0 {
		return err != nil || !bytes.Equal(text, o.content)
	}
	for _, service := range services {
		line, err := merge.Implements(text, service)
		if line != 0 || err != nil {
			return !bytes.Equal(text, o.content)
		}
	}
	return false
}
