package deploy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/internal/visible"
	"github.com/iansmith/parigot/pluginsdk/contract"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/parigotpb/deploymentpb"
)

// imports checks what a guest imports: that it is there, granted, and of the form that
// the guest was built for.
func (c *check) imports(ctx context.Context, guest *eng.Guest, g *deploymentpb.Guest, field string) {
	grants := eng.Grants{Calls: g.GetGrants()}
	var missing, refused []string
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
		if !grants.MayCall(i.Service, i.Method) {
			refused = append(refused, printable(full))
		}
	}
	at := c.doc.at(field + ".wasm")
	if len(missing) > 0 {
		c.doc.note(at, field+".wasm", "no plugin has what the guest imports: "+strings.Join(missing, ", ")+pluginsToAdd(missing))
	}
	c.refuse(field, "grants", "the guest imports what it is not granted", refused, g.GetGrants())
	if err := guest.CheckImports(); err != nil {
		for _, line := range strings.Split(err.Error(), "\n")[1:] {
			c.doc.note(at, field+".wasm", "the import "+strings.TrimSpace(line))
		}
	}
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

// served notes which guests serve which services.
func (c *check) served() {
	for i, g := range c.Deployment.GetGuests() {
		for _, service := range g.GetServes() {
			if _, ok := c.provided[service]; !ok {
				c.provided[service] = g.GetName()
			}
			for _, m := range c.contractMethods(i, service) {
				c.methods[m] = true
			}
		}
	}
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
// known, each is taken to be there.
func (c *check) grants(g *deploymentpb.Guest, field string) {
	if c.unknown {
		return
	}
	for j, name := range g.GetGrants() {
		service := name[:strings.LastIndexByte(name, '.')]
		_, isService := c.provided[name]
		_, ofService := c.provided[service]
		if isService || c.methods[name] || ofService && !c.knows(service) {
			continue
		}
		all := slices.Sorted(maps.Keys(c.provided))
		if ofService {
			all = slices.DeleteFunc(slices.Sorted(maps.Keys(c.methods)), func(m string) bool { return !strings.HasPrefix(m, service+".") })
		}
		message := "no plugin and no guest has it"
		if near := nearest(name, all); near != "" {
			message += ": did you mean " + near + "?"
		} else if len(all) > 0 {
			message += ", they have " + strings.Join(all, ", ")
		}
		c.doc.addAt(fmt.Sprintf("%s[%d]", field, j), "%s", message)
	}
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
func (c *check) contracts(i int, g *deploymentpb.Guest) {
	if c.guests[i] == nil || c.guests[i].Contract() == nil {
		return
	}
	mine := c.guests[i].Contract()
	grants := eng.Grants{Calls: g.GetGrants(), Serves: g.GetServes()}
	var serves, finds []string
	for _, s := range mine.Proto().GetServices() {
		if s.GetServes() && !grants.MayServe(s.GetName()) {
			serves = append(serves, printable(s.GetName()))
		}
		if !s.GetLocates() {
			continue
		}
		if !grants.MayFind(s.GetName()) {
			finds = append(finds, printable(s.GetName()))
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

// compare compares what a guest means by a service with what the one means that serves it.
func (c *check) compare(field, service string, mine *contract.Contract, server string, theirs *contract.Contract) {
	for _, p := range mine.CompareContract(theirs) {
		if !strings.HasPrefix(p.Method, service+".") {
			continue
		}
		c.doc.note(c.doc.at(field), field, "it "+visible.Text(p.ServedBy(server)))
	}
}
