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
	entry, template, err := r.tree.entry(r.kind.parameter, r.in)
	switch {
	case err != nil:
		return err
	case entry == nil && r.plugin.Request.GetCompilerVersion() == nil: // buf sends none
		return fmt.Errorf("%[1]s: no template of buf around the working directory has an entry with %[1]s=%[2]s, so nobody can tell where the output goes: write it into buf.gen.yaml:\n  - local: protoc-gen-parigot\n    out: .\n    opt: %[1]s=%[2]s\n    strategy: all", r.kind.parameter, r.in)
	case entry == nil:
		r.unplaced = true
	case len(entry.Types) > 0:
		r.chosen = true
	case len(all) > 1 && template.shared(r.kind.parameter, r.in):
		return fmt.Errorf("%s: %s gets the skeletons of all services, although other entries have impl or guest_impl, too: write types: [%s] there, with those that belong into %s", r.kind.parameter, entry.at, strings.Join(fullNames(all), ", "), r.in)
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
	r.problems.add(by.at, "%s has no implementation in %s, where %s is that of another, so nothing is written: write types: [%s] into the entry with %s=%s to have it there, or without %s to have it elsewhere; with protoc, write a type into %s, with the line\n\tvar _ %s = (*%s)(nil)",
		by.what, r.in, other, strings.Join(all, ", "), r.kind.parameter, r.in, strings.Join(added, " and "), path.Join(r.in, first.fileName), first.serverInterface(), first.Type)
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
		if in == r.kind.programFile() {
			if other := r.tree.elsewhere(o); other != nil {
				r.note("%s, the program of the %s, is not written, because the output may go to %s, where %s is: to have it, write it yourself:\n%s", o.name, r.kind.name, other.below, other.file, content)
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
	if err := r.refuseSecond(); err != nil {
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
