package pluginsdk

import (
	"maps"
	"slices"
	"sync"
)

// registered are the plugins that are linked into the program, by name.
var registered struct {
	sync.RWMutex
	plugins map[string]ParigotInit
}

// Register makes a plugin that is linked into the program known under a name, for
// those who start plugins by name, such as a deployment file with the placement
// "static". It is for init functions and main; nothing is started. Like sql.Register
// it panics when the name is empty or taken, or p is nil: the program is
// wrong then, whatever it is used for. Names are compared as they are. Safe for
// concurrent use.
func Register(name string, p ParigotInit) {
	registered.Lock()
	defer registered.Unlock()
	switch _, taken := registered.plugins[name]; {
	case name == "":
		panic("pluginsdk.Register: the name is empty") //nolint:forbidigo // documented: a mistake in the program
	case p == nil:
		panic("pluginsdk.Register: the plugin " + name + " is nil") //nolint:forbidigo // documented: a mistake in the program
	case taken:
		panic("pluginsdk.Register: there is a plugin " + name + " already") //nolint:forbidigo // documented: a mistake in the program
	}
	if registered.plugins == nil {
		registered.plugins = make(map[string]ParigotInit)
	}
	registered.plugins[name] = p
}

// Registered returns the plugin that was registered under a name, and whether there
// is one. Safe for concurrent use.
func Registered(name string) (ParigotInit, bool) {
	registered.RLock()
	defer registered.RUnlock()
	p, ok := registered.plugins[name]
	return p, ok
}

// RegisteredNames returns the names of all registered plugins, sorted. The caller
// may keep and change the slice. Safe for concurrent use.
func RegisteredNames() []string {
	registered.RLock()
	defer registered.RUnlock()
	return slices.Sorted(maps.Keys(registered.plugins))
}
