package gen

import (
	"fmt"
	"path"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/pluginpb"
)

// place checks that the output can go where it belongs, as far as buf's templates
// tell. protoc has none.
func (r *skeletonRun) place(all []*skeletonView) error {
	if r.tree == nil {
		return r.problems.err()
	}
	entry, template, err := r.tree.entry(r.in)
	switch {
	case err != nil:
		return err
	case entry == nil && r.plugin.Request.GetCompilerVersion() == nil: // buf sends none
		return fmt.Errorf("impl: no template of buf around the working directory has an entry with impl=%s, so nobody can tell where the output goes: write it into buf.gen.yaml:\n  - local: protoc-gen-parigot\n    out: .\n    opt: impl=%s\n    strategy: all", r.in, r.in)
	case entry == nil:
		r.unplaced = true
	case len(entry.Types) > 0:
		r.chosen = true
	case len(all) > 1 && template.shared(r.in):
		return fmt.Errorf("impl: %s gets the skeletons of all services, although other entries have impl, too: write types: [%s] there, with those that belong into %s", entry.at, strings.Join(fullNames(all), ", "), r.in)
	}
	return r.problems.err()
}

// refuseNeighbours reports new services that would get their skeletons beside the
// implementation of another, unless somebody chose the services for the directory.
func (r *skeletonRun) refuseNeighbours() {
	other := r.pkg.Asserts(r.parameters.packageSuffix, "Server")
	if r.chosen || len(r.created) == 0 || other == "" {
		return
	}
	first, added := r.created[0], fullNames(r.created)
	by, all := ownerOf(first.Desc), append(fullNames(r.found), added...)
	r.problems.add(by.at, "%s has no implementation in %s, where %s is that of another, so nothing is written: write types: [%s] into the entry with impl=%s to have it there, or without %s to have it elsewhere; with protoc, write a type into %s, with the line\n\tvar _ %s = (*%s)(nil)",
		by.what, r.in, other, strings.Join(all, ", "), r.in, strings.Join(added, " and "), path.Join(r.in, first.fileName), first.serverInterface(), first.Plugin)
}

func fullNames(views []*skeletonView) []string {
	var names []string
	for _, view := range views {
		names = append(names, view.FullName)
	}
	return names
}

// files returns what changed, having checked that it replaces nothing else.
func (r *skeletonRun) files() ([]*pluginpb.CodeGeneratorResponse_File, error) {
	var files []*pluginpb.CodeGeneratorResponse_File
	var notes []string
	for _, in := range sortedKeys(r.editors) {
		editor := r.editors[in]
		if !editor.Changed() {
			continue
		}
		content, err := editor.Bytes()
		if err != nil {
			return nil, err
		}
		o := newFile{name: path.Join(r.in, in), content: content, read: editor.Source()}
		if in == programFile {
			if other := r.tree.elsewhere(o); other != nil {
				r.note("%s, the program of the plugin, is not written, because the output may go to %s, where %s is: to have it, write it yourself:\n%s", o.name, other.below, other.file, content)
				continue
			}
		} else {
			o.implements = r.interfaces
		}
		if err := r.tree.refuseLoss(o); err != nil {
			return nil, err
		}
		notes = append(notes, did(o, r.stubs[in]))
		files = append(files, &pluginpb.CodeGeneratorResponse_File{
			Name:    proto.String(o.name),
			Content: proto.String(string(content)),
		})
	}
	if err := r.tree.refuseSecond(r.in, r.created); err != nil {
		return nil, err
	}
	if r.unplaced && len(files) > 0 {
		r.note("what is written into %s has that in its name: the output directory, --parigot_out of protoc, must be the working directory", r.in)
	}
	r.notes = append(r.notes, notes...)
	return files, nil
}

// did returns the note about a file that is written.
func did(o newFile, methods int) string {
	what := fmt.Sprintf("%d methods", methods)
	if methods == 1 {
		what = "1 method"
	}
	switch {
	case o.read != nil:
		return o.name + ": " + what + " added"
	case methods == 0:
		return o.name + ": new"
	}
	return o.name + ": new, with " + what + " to fill in"
}
