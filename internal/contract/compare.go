package contract

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/iansmith/parigot/internal/visible"
	"github.com/iansmith/parigot/pluginsdk/parigotpb/contractpb"
)

const (
	// maxPairs bounds the pairs of messages and enums that are compared, as a guest
	// chooses how many there are.
	maxPairs = 10_000
	// maxProblems bounds the problems that are found in one method, and maxFound those that
	// are found in all.
	maxProblems, maxFound = 100, 1000
	// maxWork bounds the fields and values that are looked at in one comparison.
	maxWork = 2_000_000
)

// Problem is a difference between what a guest was built for and what its host has, by
// which one would not understand the other.
type Problem struct {
	// Module and Function are the import that it was found at: the first one, when
	// several reach it.
	Module, Function string
	// Method is the full name of the method.
	Method string
	// Rule names what was broken, in the manner of the rules of buf breaking, such as
	// "FIELD_WIRE_COMPATIBLE_TYPE".
	Rule string
	// Difference is the difference alone, such as "field SendRequest.payload (2) was
	// bytes, is string".
	Difference string
	// Guest and Host are the Go modules that the messages come from. They are nil when
	// that is not known.
	Guest, Host *contractpb.Module

	pkg string
}

// String returns the difference with both versions, as the end of a sentence about the
// guest: "was built with queue.v1 of module example.com/queue v1.2.0, the host has
// v1.3.0: field SendRequest.payload (2) was bytes, is string".
func (p Problem) String() string { return visible.Text(p.text()) }

func (p Problem) text() string {
	guest, host := VersionText(p.Guest), VersionText(p.Host)
	switch {
	case p.Guest == nil:
		return fmt.Sprintf("was built with another %s than the host has: %s", p.pkg, p.Difference)
	case p.Host == nil:
		host = "another"
	case p.Guest.GetPath() != p.Host.GetPath():
		host = "that of module " + p.Host.GetPath() + " " + host
	case guest == host:
		host = "another " + host
	}
	return fmt.Sprintf("was built with %s of module %s %s, the host has %s: %s", p.pkg, p.Guest.GetPath(), guest, host, p.Difference)
}

// ServedBy returns the difference as the end of a sentence about a guest that calls another
// one, server: "was built for greeting.v1.Greeting.Greet of example.com/hello v1.0.0, and the
// guest greeting, which serves it, has that of example.com/hello v1.1.0: field ...". Names
// that a guest has written are in it as they are.
func (p Problem) ServedBy(server string) string {
	mine, theirs := "", " another"
	if p.Guest.GetPath() != "" {
		mine = " of " + p.Guest.GetPath() + " " + VersionText(p.Guest)
	}
	if p.Host.GetPath() != "" {
		theirs = " that of " + p.Host.GetPath() + " " + VersionText(p.Host)
	}
	return fmt.Sprintf("was built for %s%s, and the guest %s, which serves it, has%s: %s", p.Method, mine, server, theirs, p.Difference)
}

// Compare compares the methods that the guest calls with those that the host has, and
// returns what does not fit, nothing when all does. host returns the descriptor of an
// imported function, or nil when that is not known: it is not compared then.
func (c *Contract) Compare(host func(module, function string) protoreflect.MethodDescriptor) []Problem {
	var problems []Problem
	work := maxWork
	for _, s := range c.message.GetServices() {
		if !s.GetCalls() || len(problems) >= maxFound {
			continue
		}
		problems = append(problems, c.compare(&work, s, linkedModule, func(m *contractpb.Method) protoreflect.MethodDescriptor {
			return host(s.GetModule(), m.GetFunction())
		})...)
	}
	return problems
}

// CompareContract compares what both contracts know, method by method, as Compare does:
// newer stands for the host. So it tells whether a guest may take the place of an older
// one without its hosts, or the guests that it serves, being changed.
func (c *Contract) CompareContract(newer *Contract) []Problem {
	var problems []Problem
	work := maxWork
	for _, s := range c.message.GetServices() {
		i := slices.IndexFunc(newer.message.GetServices(), func(t *contractpb.Service) bool { return t.GetName() == s.GetName() })
		if i < 0 || len(problems) >= maxFound {
			continue
		}
		t := newer.message.GetServices()[i]
		module := func(protoreflect.FileDescriptor) *contractpb.Module { return t.GetGoModule() }
		problems = append(problems, c.compare(&work, s, module, func(m *contractpb.Method) protoreflect.MethodDescriptor {
			return newer.method(t, m)
		})...)
	}
	return problems
}

// compare compares the methods of a service. host returns the host's, or nil, and from
// the module that a file of the host comes from, or nil.
func (c *Contract) compare(work *int, s *contractpb.Service, from func(protoreflect.FileDescriptor) *contractpb.Module, host func(*contractpb.Method) protoreflect.MethodDescriptor) []Problem {
	if len(s.GetHash()) == 0 {
		return nil
	}
	var methods []*contractpb.Method
	var mine, theirs []protoreflect.MethodDescriptor
	for _, m := range s.GetMethods() {
		if d := host(m); d != nil {
			methods, mine, theirs = append(methods, m), append(mine, c.method(s, m)), append(theirs, d)
		}
	}
	if len(mine) == len(s.GetMethods()) && bytes.Equal(hashOf(theirs), s.GetHash()) {
		return nil
	}
	var problems []Problem
	cmp := comparison{seen: map[pair]bool{}, work: work}
	for i := range mine {
		if len(problems) >= maxFound {
			break
		}
		for _, found := range cmp.methods(mine[i], theirs[i]) {
			problems = append(problems, Problem{
				Module: s.GetModule(), Function: methods[i].GetFunction(), Method: string(mine[i].FullName()),
				Rule: found.rule, Difference: found.text,
				Guest: s.GetGoModule(), Host: from(theirs[i].ParentFile()), pkg: packageOf(s.GetName()),
			})
		}
	}
	return problems
}

func packageOf(service string) string {
	if i := strings.LastIndexByte(service, '.'); i > 0 {
		return service[:i]
	}
	return service
}

// pair is a message or an enum of the guest, what the host has in its place, and which
// of them writes it.
type pair struct {
	guest, host protoreflect.Descriptor
	hostReads   bool
}

type finding struct{ rule, text string }

// comparison compares methods. Messages that several reach are compared once.
type comparison struct {
	seen  map[pair]bool
	work  *int // what is left of maxWork
	todo  []pair
	pkg   protoreflect.FullName // left out of names
	found []finding
}

func (c *comparison) methods(guest, host protoreflect.MethodDescriptor) []finding {
	c.found, c.pkg = nil, guest.ParentFile().Package()
	if guest.IsStreamingClient() != host.IsStreamingClient() || guest.IsStreamingServer() != host.IsStreamingServer() {
		c.report("RPC_SAME_STREAMING", "%s streams on one side only", guest.Name())
	}
	c.add(guest.Input(), host.Input(), true)
	c.add(guest.Output(), host.Output(), false)
	for len(c.todo) > 0 && len(c.found) < maxProblems {
		p := c.todo[0]
		c.todo = c.todo[1:]
		switch g := p.guest.(type) {
		case protoreflect.MessageDescriptor:
			h, _ := p.host.(protoreflect.MessageDescriptor)
			c.messages(messages{g, h, p.hostReads})
		case protoreflect.EnumDescriptor:
			h, _ := p.host.(protoreflect.EnumDescriptor)
			c.enums(g, h)
		}
	}
	return c.found
}

// add has a pair compared.
func (c *comparison) add(guest, host protoreflect.Descriptor, hostReads bool) {
	p := pair{guest, host, hostReads}
	switch {
	case c.seen[p]:
		return
	case len(c.seen) == maxPairs:
		c.report("TOO_LARGE", "its messages are too many to compare: more than %d", maxPairs)
	case len(c.seen) < maxPairs:
		c.todo = append(c.todo, p)
	}
	c.seen[p] = true
}

// spend counts n fields or values. It is false when there were too many.
func (c *comparison) spend(n int) bool {
	before := *c.work
	*c.work -= n
	if *c.work >= 0 {
		return true
	}
	if before >= 0 {
		c.report("TOO_LARGE", "its fields are too many to compare: more than %d", maxWork)
	}
	c.todo = nil
	return false
}

func (c *comparison) report(rule, format string, args ...any) {
	c.found = append(c.found, finding{rule, fmt.Sprintf(format, args...)})
}

// name returns a full name without the package of the guest's service.
func (c *comparison) name(d protoreflect.Descriptor) string {
	return strings.TrimPrefix(string(d.FullName()), string(c.pkg)+".")
}
