package deploy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/iansmith/parigot/internal/contract"
	"github.com/iansmith/parigot/internal/visible"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/parigotpb/contractpb"
	"github.com/iansmith/parigot/pluginsdk/parigotpb/deploymentpb"
)

// imports checks what a guest imports: that it is there, and of the form that the guest was
// built for.
func (c *check) imports(ctx context.Context, guest *eng.Guest, field string) {
	var missing []string
	for _, i := range guest.Imports() {
		full := i.Service + "." + i.Method
		if !i.Registered {
			// With something in its place, CheckImports says what else is wrong.
			c.stubs[full] = true
			err := c.host.Register(ctx, eng.HostModule{Name: i.Module, Functions: []eng.Function{{Name: i.Name, Call: noCall}}})
			c.merge(err, field+".wasm")
		}
		if c.stubs[full] && !c.unknown {
			missing = append(missing, printable(full))
		}
	}
	at := c.doc.at(field + ".wasm")
	if len(missing) > 0 {
		c.doc.note(at, field+".wasm", "no plugin has what the guest imports: "+strings.Join(missing, ", ")+remedy(missing))
	}
	if err := guest.CheckImports(); err != nil {
		for _, line := range strings.Split(err.Error(), "\n")[1:] {
			c.doc.note(at, field+".wasm", "the import "+strings.TrimSpace(line))
		}
	}
}

// refused checks that a guest is granted what it imports. granted is what the file grants,
// with the names as they were meant.
func (c *check) refused(i int, g *deploymentpb.Guest, granted eng.Grants) {
	if c.guests[i] == nil {
		return
	}
	var refused []string
	for _, i := range c.guests[i].Imports() {
		if !granted.MayCall(i.Service, i.Method) {
			refused = append(refused, toGrant(i))
		}
	}
	slices.Sort(refused)
	refused = slices.Compact(refused)
	c.refuse(fmt.Sprintf("guests[%d]", i), "grants", "the guest imports what it is not granted", refused, g.GetGrants())
}

// kernelService is the service through which guests serve each other.
const kernelService = "syscall.v1.Syscall"

// toGrant returns what to grant a guest for an import: the method, or all of the kernel, of which
// one method is of no use.
func toGrant(i eng.Import) string {
	if i.Service == kernelService {
		return kernelService
	}
	return printable(i.Service + "." + i.Method)
}

// printable returns a name that a guest's file has: one with a line end, or with what moves
// the cursor of a terminal, could pass for another finding.
func printable(name string) string {
	quoted := strconv.QuoteToGraphic(name)
	return quoted[1 : len(quoted)-1]
}

// refuse notes what a guest would need, with the lines to add to its list.
func (c *check) refuse(field, list, message string, names, has []string) {
	if len(names) == 0 {
		return
	}
	var b strings.Builder
	b.WriteString(message + ": add ")
	if len(has) > 0 {
		b.WriteString("to its " + list)
	} else {
		b.WriteString("to the guest\n    " + list + ":")
	}
	for _, name := range names {
		b.WriteString("\n      - " + name)
	}
	field += "." + list
	c.doc.note(c.doc.at(field), field, b.String())
}

// remedy says how to provide what is missing: with a plugin of this program, or with the kernel.
func remedy(missing []string) string {
	ofKernel := func(m string) bool { return strings.HasPrefix(m, kernelService+".") }
	switch lines := pluginsToAdd(missing); {
	case lines != "":
		return lines
	case slices.ContainsFunc(missing, ofKernel):
		return "; " + kernelService + " is the kernel, through which guests serve each other: link it into the host\n" +
			"    pluginsdk.Register(\"syscall\", syscall.ParigotInitialize) // of github.com/iansmith/parigot/examples/syscall\n" +
			"and add\n    plugins:\n      - name: syscall"
	}
	return ""
}

// pluginsToAdd names the plugins in this program that have what is missing, as lines to add.
func pluginsToAdd(missing []string) string {
	var lines strings.Builder
	for _, name := range pluginsdk.RegisteredNames() {
		p, _ := pluginsdk.Registered(name)
		d, ok := p.(pluginsdk.Describer)
		if ok && slices.ContainsFunc(d.Describe().Services, func(s pluginsdk.Service) bool {
			return slices.ContainsFunc(missing, func(m string) bool { return strings.HasPrefix(m, s.Name+".") })
		}) {
			lines.WriteString("\n      - name: " + name)
		}
	}
	if lines.Len() == 0 {
		return ""
	}
	return "; this program has it: add\n    plugins:" + lines.String()
}

// served notes which guests serve which services: those of the file, and, as one of them may be
// mistyped, those of their contracts.
func (c *check) served() {
	for i, g := range c.Deployment.GetGuests() {
		for _, service := range append(c.contractServes(i), g.GetServes()...) {
			if _, ok := c.provided[service]; !ok {
				c.provided[service] = g.GetName()
			}
			for _, m := range c.contractMethods(i, service) {
				c.methods[m] = true
			}
		}
	}
}

// contractServes returns the services that a guest serves, as its contract says.
func (c *check) contractServes(i int) (serves []string) {
	if c.guests[i] == nil || c.guests[i].Contract() == nil {
		return nil
	}
	for _, s := range c.guests[i].Contract().Proto().GetServices() {
		if s.GetServes() {
			serves = append(serves, s.GetName())
		}
	}
	return serves
}

// contractMethods returns the methods of a service that a guest's contract has.
func (c *check) contractMethods(i int, service string) []string {
	if c.guests[i] == nil || c.guests[i].Contract() == nil {
		return nil
	}
	var methods []string
	for _, s := range c.guests[i].Contract().Proto().GetServices() {
		for _, m := range s.GetMethods() {
			if s.GetName() == service {
				methods = append(methods, service+"."+m.GetName())
			}
		}
	}
	return methods
}

// grants checks that there is what a guest is granted. Of services whose methods are not
// known, each is taken to be there; what a guest imports and nobody has is another finding. It
// returns the grants with the names that were meant instead of those that are mistyped, so
// that nothing is found that only follows from that.
func (c *check) grants(g *deploymentpb.Guest, field string) (meant []string) {
	for j, name := range g.GetGrants() {
		meant = append(meant, name)
		service := name[:strings.LastIndexByte(name, '.')]
		_, isService := c.provided[name]
		_, ofService := c.provided[service]
		if c.unknown || isService || c.methods[name] || ofService && !c.knows(service) || c.wanted(name) {
			continue
		}
		all := slices.Sorted(maps.Keys(c.provided))
		for stub := range c.stubs {
			all = append(all, stub[:strings.LastIndexByte(stub, '.')])
		}
		if ofService {
			all = slices.DeleteFunc(slices.Sorted(maps.Keys(c.methods)), func(m string) bool { return !strings.HasPrefix(m, service+".") })
		}
		near := nearest(name, all)
		c.doc.addAt(fmt.Sprintf("%s[%d]", field, j), "%s", noSuch("no plugin and no guest has it", near, all))
		if near != "" {
			meant[j] = near
		}
	}
	return meant
}

// wanted reports whether a guest imports a method, or one of a service, that nobody has.
func (c *check) wanted(name string) bool {
	for stub := range c.stubs {
		if stub == name || strings.HasPrefix(stub, name+".") {
			return true
		}
	}
	return false
}

// serves checks that a guest serves what it is said to, as far as its contract tells. It
// returns what was meant, as grants does.
func (c *check) serves(i int, g *deploymentpb.Guest, field string) (meant []string) {
	if c.guests[i] == nil || c.guests[i].Contract() == nil {
		return g.GetServes()
	}
	serves := c.contractServes(i)
	for j, name := range g.GetServes() {
		meant = append(meant, name)
		if slices.Contains(serves, name) {
			continue
		}
		near := nearest(name, serves)
		c.doc.addAt(fmt.Sprintf("%s[%d]", field, j), "%s", noSuch("the guest does not serve it", near, serves))
		if near != "" {
			meant[j] = near
		}
	}
	return meant
}

// noSuch is the message about a name, with the one that may be meant, or all.
func noSuch(message, near string, all []string) string {
	switch {
	case near != "":
		return message + ": did you mean " + printable(near) + "?"
	case len(all) > 0:
		names := make([]string, len(all))
		for i, name := range all {
			names[i] = printable(name)
		}
		slices.Sort(names)
		return message + ", there is " + strings.Join(slices.Compact(names), ", ")
	}
	return message
}

// knows reports whether methods of a service are known.
func (c *check) knows(service string) bool {
	for m := range c.methods {
		if strings.HasPrefix(m, service+".") {
			return true
		}
	}
	return false
}

// contracts checks what the contract of a guest says of other guests: which services it
// serves and looks for, and whether those who serve them mean the same messages.
func (c *check) contracts(i int, g *deploymentpb.Guest, granted eng.Grants) {
	if c.guests[i] == nil || c.guests[i].Contract() == nil {
		return
	}
	mine := c.guests[i].Contract()
	var serves, finds []string
	for _, s := range mine.Proto().GetServices() {
		if s.GetServes() && !granted.MayServe(s.GetName()) {
			serves = append(serves, printable(s.GetName()))
		}
		if !s.GetLocates() {
			continue
		}
		if refused := notFound(s, granted); refused != nil {
			finds = append(finds, refused...)
			continue
		}
		for j, other := range c.Deployment.GetGuests() {
			if j != i && slices.Contains(other.GetServes(), s.GetName()) && c.guests[j] != nil && c.guests[j].Contract() != nil {
				c.compare(fmt.Sprintf("guests[%d].wasm", i), s.GetName(), mine, other.GetName(), c.guests[j].Contract())
			}
		}
	}
	field := fmt.Sprintf("guests[%d]", i)
	c.refuse(field, "serves", "the guest serves to others what it is not granted to", serves, g.GetServes())
	c.refuse(field, "grants", "the guest calls services of other guests that it is not granted", finds, g.GetGrants())
}

// notFound returns what a guest locates of a service and is not granted: the service, or some
// of the methods that it calls. Of a service that it imports or serves, too, the contract does
// not tell which of the methods it locates.
func notFound(s *contractpb.Service, granted eng.Grants) (names []string) {
	if !granted.MayFind(s.GetName()) {
		return []string{printable(s.GetName())}
	}
	if s.GetCalls() || s.GetServes() {
		return nil
	}
	for _, m := range s.GetMethods() {
		if !granted.MayCall(s.GetName(), m.GetName()) {
			names = append(names, printable(s.GetName()+"."+m.GetName()))
		}
	}
	return names
}

// compare compares what a guest means by a service with what the one means that serves it.
func (c *check) compare(field, service string, mine *contract.Contract, server string, theirs *contract.Contract) {
	for _, p := range mine.CompareContract(theirs) {
		if !strings.HasPrefix(p.Method, service+".") {
			continue
		}
		c.doc.note(c.doc.at(field), field, "it "+visible.Text(p.ServedBy(server)))
	}
}
