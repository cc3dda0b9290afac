package gen

import (
	"fmt"
	"path"
	"strings"
)

// implKind says what implementations are for: plugins, or guests that serve. Their
// skeletons are merged by the same rules.
type implKind struct {
	parameter string // names their directory
	name      string // what is built from them
	suffix    string // of the type
	receiver  string // of its methods

	// Build constraints of new files: of an implementation, "" for none, and of any file
	// of a package main.
	constraint, mainConstraint string
}

var (
	// An implementation in a plugin registers with an engine, which guests have not.
	pluginImpl = &implKind{
		parameter: "impl", name: "plugin", suffix: "Plugin", receiver: "p",
		constraint: "!wasip1", mainConstraint: "!wasip1",
	}
	// An implementation in a guest is built for all targets, so that native tests can
	// call it. Only what serves it is for guests.
	guestImpl = &implKind{
		parameter: "guest_impl", name: "guest", suffix: "Impl", receiver: "i",
		mainConstraint: "wasip1",
	}
)

// implKinds are all kinds.
var implKinds = []*implKind{pluginImpl, guestImpl}

// programFile is the file of the package main that the kind is built from, below the
// directory of the implementation.
func (k *implKind) programFile() string { return k.name + "/main.go" }

// checkApart reports directories of both kinds in one run of which a file for one could
// land on a file for the other.
func checkApart(plugin, guest string) error {
	plugin, guest = path.Clean(plugin), path.Clean(guest)
	p, g := "/"+strings.ToLower(plugin), "/"+strings.ToLower(guest)
	switch {
	case p == g:
		return fmt.Errorf("impl and guest_impl are both %s: plugins register with an engine, which guests have not, so give each a directory of its own", plugin)
	case strings.HasSuffix(p, g), strings.HasSuffix(g, p), plugin == ".", guest == ".":
		return fmt.Errorf("impl=%s and guest_impl=%s end alike, so that a file of one could replace a file of the other: give one of them another name", plugin, guest)
	case g == path.Join(p, path.Dir(pluginImpl.programFile())), p == path.Join(g, path.Dir(guestImpl.programFile())):
		return fmt.Errorf("of impl=%s and guest_impl=%s one is the folder of the other's main.go: give one of them another name", plugin, guest)
	}
	return nil
}
