package deploy

import (
	"cmp"
	"fmt"
	"path"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/parigotpb/deploymentpb"
)

// rules notes what the options of the schema cannot say.
func (f *File) rules() {
	d := f.Deployment
	plugins, guests := make(map[string]string), make(map[string]string)
	for i, p := range d.GetPlugins() {
		f.unique(plugins, p.GetName(), fmt.Sprintf("plugins[%d].name", i), "a plugin has this name already")
	}
	main := ""
	for i, g := range d.GetGuests() {
		field := fmt.Sprintf("guests[%d]", i)
		f.unique(guests, g.GetName(), field+".name", "a guest has this name already")
		if g.GetMain() {
			if main != "" {
				f.doc.addAt(field+".main", "there is one main guest at most, and %s is it (%s)", main, f.at(guests[main]))
			}
			main = g.GetName()
		}
		f.guestRules(g, field)
	}
}

// unique notes a name that is taken. Names that are missing are not its concern.
func (f *File) unique(taken map[string]string, name, field, message string) {
	if first, ok := taken[name]; ok && name != "" {
		f.doc.addAt(field, "%s: see %s", message, f.at(first))
		return
	}
	taken[name] = field
}

func (f *File) guestRules(g *deploymentpb.Guest, field string) {
	f.noNULs(g, field)
	points := make(map[string]string)
	for i, m := range g.GetMounts() {
		at := fmt.Sprintf("%s.mounts[%d].guest", field, i)
		if clean := path.Clean(m.GetGuest()); clean != m.GetGuest() {
			f.doc.addAt(at, "write it as %s", clean)
		}
		f.unique(points, m.GetGuest(), at, "the guest has a mount there already")
	}
	f.grantRules(g, field)
	e := f.Deployment.GetEngine()
	f.within(field, "memory_limit", g.GetMemoryLimit(), cmp.Or(e.GetMemoryLimit(), eng.DefaultMemoryLimit))
	f.within(field, "host_memory_limit", g.GetHostMemoryLimit(), cmp.Or(e.GetHostMemoryLimit(), eng.DefaultHostMemoryLimit))
	f.within(field, "stack_limit", g.GetStackLimit(), cmp.Or(e.GetStackLimit(), eng.DefaultStackLimit))
	f.within(field, "disk_limit", g.GetDiskLimit(), cmp.Or(e.GetDiskLimit(), eng.DefaultDiskLimit))
	if most := cmp.Or(e.GetMaxOpenFiles(), eng.DefaultMaxOpenFiles); g.GetMaxOpenFiles() > most {
		f.doc.addUnless("engine.max_open_files", field+".max_open_files", "it is more than the max_open_files of the engine, which is %d: raise that, too", most)
	}
	if g.GetTimeLimit() != nil && g.GetCallBudget().AsDuration() > g.GetTimeLimit().AsDuration() {
		f.doc.addUnless(field+".time_limit", field+".call_budget", "it is longer than time_limit: no call outlives its guest")
	}
	r := g.GetRestart()
	if r.GetBackoff() != nil && r.GetMaxBackoff() != nil && r.GetBackoff().AsDuration() > r.GetMaxBackoff().AsDuration() {
		f.doc.addUnless(field+".restart.max_backoff", field+".restart.backoff", "it is longer than max_backoff")
	}
}

// within notes a limit of a guest, in bytes, that is more than the limit of the same name
// that the engine has.
func (f *File) within(field, name string, limit, most uint64) {
	if limit > most {
		f.doc.addUnless("engine."+name, field+"."+name, "it is more than the %s of the engine, which is %s: raise that, too", name, humanize.IBytes(most))
	}
}

// grantRules notes grants that say nothing: one of them is probably meant to be another.
func (f *File) grantRules(g *deploymentpb.Guest, field string) {
	granted := make(map[string]string)
	for i, name := range g.GetGrants() {
		f.unique(granted, name, fmt.Sprintf("%s.grants[%d]", field, i), "it is granted already")
	}
	for i, name := range g.GetGrants() {
		service := name[:max(strings.LastIndexByte(name, '.'), 0)]
		if first, ok := granted[service]; ok {
			f.doc.addAt(fmt.Sprintf("%s.grants[%d]", field, i), "all of %s is granted already: see %s", service, f.at(first))
		}
	}
	serves := make(map[string]string)
	for i, name := range g.GetServes() {
		f.unique(serves, name, fmt.Sprintf("%s.serves[%d]", field, i), "it is listed already")
	}
}

// noNULs notes what no program can be given.
func (f *File) noNULs(g *deploymentpb.Guest, field string) {
	const message = "it has a NUL, which no argument and no variable can have"
	for i, arg := range g.GetArgs() {
		if strings.Contains(arg, "\x00") {
			f.doc.addAt(fmt.Sprintf("%s.args[%d]", field, i), message)
		}
	}
	for key, value := range g.GetEnv() {
		if strings.Contains(value, "\x00") {
			f.doc.addAt(fmt.Sprintf("%s.env[%q]", field, key), message)
		}
	}
}
