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
	other := r.pkg.Asserts("Impl")
	if r.chosen || len(r.created) == 0 || other == "" {
		return
	}
	first, added := r.created[0], fullNames(r.created)
	by, all := ownerOf(first.Desc), append(fullNames(r.found), added...)
	r.problems.add(by.at, "%s has no implementation in %s, where %s is that of another, so nothing is written: write types: [%s] into the entry with impl=%s to have it there, or without %s to have it elsewhere; with protoc, write a type into %s, with the line\n\tvar _ %s = (*%s)(nil)",
		by.what, r.in, other, strings.Join(all, ", "), r.in, strings.Join(added, " and "), path.Join(r.in, first.fileName), first.implInterface(), first.Plugin)
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
	for _, name := range sortedKeys(r.editors) {
		editor := r.editors[name]
		if !editor.Changed() {
			continue
		}
		content, err := editor.Bytes()
		if err != nil {
			return nil, err
		}
		name = path.Join(r.in, name)
		if err := r.tree.refuseLoss(newFile{name: name, content: content, read: editor.Source()}); err != nil {
			return nil, err
		}
		files = append(files, &pluginpb.CodeGeneratorResponse_File{
			Name:    proto.String(name),
			Content: proto.String(string(content)),
		})
	}
	if r.unplaced && len(files) > 0 {
		r.note("what is written into %s has that in its name: the output directory, --parigot_out of protoc, must be the working directory", r.in)
	}
	return files, r.tree.refuseSecond(r.in, r.created)
}
