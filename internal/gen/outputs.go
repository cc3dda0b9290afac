package gen

import "strings"

// outputs finds files that would get one name, also where only some file systems
// take two names for the same: only one of them would be there in the end.
type outputs struct {
	problems *problems
	taken    map[string]output  // by lower-case name
	told     map[[2]string]bool // pairs of proto files that were reported
}

// output is a file that a proto file leads to.
type output struct {
	proto   string
	foreign bool // protoc-gen-go writes it
}

func newOutputs(p *problems) *outputs {
	return &outputs{problems: p, taken: make(map[string]output), told: make(map[[2]string]bool)}
}

// claim takes the names of the files for a proto file: those of both sides,
// because a run for the other side may write to the same folder, and that of the
// messages. Two files of messages with one name are not this plugin's business.
func (o *outputs) claim(view *fileView) {
	ours := output{proto: view.Desc.Path()}
	if !view.isEmpty() {
		o.claimName(view.Stem+"_parigot.pb.go", ours)
	}
	if len(view.Services) > 0 {
		o.claimName(view.Stem+"_host_parigot.pb.go", ours)
		o.claimName(view.Stem+"_guest_parigot.pb.go", ours)
	}
	o.claimName(view.GeneratedFilenamePrefix+".pb.go", output{proto: ours.proto, foreign: true})
}

func (o *outputs) claimName(name string, by output) {
	key := strings.ToLower(name)
	first, ok := o.taken[key]
	if !ok {
		o.taken[key] = by
		return
	}
	pair := [2]string{first.proto, by.proto}
	if o.told[pair] || first.foreign && by.foreign {
		return
	}
	o.told[pair] = true
	o.problems.add(position{file: by.proto}, "its output %s has the name of one of %s: rename one of the two proto files", name, first.proto)
}
