package wirecost

import (
	"strings"

	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/iansmith/parigot/pluginsdk/status"
)

// The limits of proto files that come from outside: a guest's contract, or what a plugin's
// process describes.
const (
	// MaxFiles bounds the proto files.
	MaxFiles = 5000
	// MaxDeclarations bounds what is declared in all of them, and imported: messages,
	// fields, values of enums, methods and so on.
	MaxDeclarations = 50_000
	// MaxName bounds the full name of a declaration, in bytes.
	MaxName = 4096
	// MaxNames bounds the full names of all declarations together, in bytes. Each has the
	// names of what is around it in it. References that have to be looked up in one scope
	// after the other count, too.
	MaxNames = 8 << 20
)

// CheckFiles bounds what it takes to link a set of proto files: time and memory. The error
// is RESOURCE_EXHAUSTED and names the limit. A nil set has no files.
func CheckFiles(set *descriptorpb.FileDescriptorSet) error {
	if n := len(set.GetFile()); n > MaxFiles {
		return status.Errorf(status.ResourceExhausted, "there are %d proto files, more than %d", n, MaxFiles)
	}
	var c counter
	for _, f := range set.GetFile() {
		c.file(f)
		if c.err != nil {
			return c.err
		}
	}
	return nil
}

type counter struct {
	declarations, names, public int
	err                         error
}

// declare counts a declaration, and returns its full name. Past a limit, it returns the
// scope.
func (c *counter) declare(scope, name string) string {
	c.declarations++
	n := len(scope) + 1 + len(name)
	c.names += n
	c.check(n)
	if c.err != nil {
		return scope
	}
	if scope == "" {
		return name
	}
	return scope + "." + name
}

// declareShort is declare for what has nothing within it: nobody needs its full name.
func (c *counter) declareShort(scope, name string) {
	c.declarations++
	n := len(scope) + 1 + len(name)
	c.names += n
	c.check(n)
}

func (c *counter) check(name int) {
	switch {
	case c.err != nil:
	case name > MaxName:
		c.err = status.Errorf(status.ResourceExhausted, "a name in the proto files has %d bytes, more than %d", name, MaxName)
	case c.declarations > MaxDeclarations:
		c.err = status.Errorf(status.ResourceExhausted, "the proto files have more than %d declarations", MaxDeclarations)
	case c.names > MaxNames:
		c.err = status.Errorf(status.ResourceExhausted, "the full names in the proto files have more than %d bytes", MaxNames)
	}
}

// refer counts a reference: one that does not start with a dot is looked up in each scope.
func (c *counter) refer(scope, name string) {
	if name != "" && name[0] != '.' {
		c.names += (strings.Count(scope, ".") + 2) * (len(scope) + len(name))
	}
	c.check(len(name))
}

func (c *counter) file(f *descriptorpb.FileDescriptorProto) {
	pkg := f.GetPackage()
	c.check(max(len(pkg), len(f.GetName())))
	c.names += (strings.Count(pkg, ".") + 1) * len(pkg) // each package around it is registered
	c.declarations += len(f.GetDependency()) + len(f.GetPublicDependency()) + len(f.GetWeakDependency())
	if len(f.GetDependency()) > 0 {
		const entry = 48 // of the set of what a file sees
		c.public += len(f.GetPublicDependency())
		c.names += entry * c.public
	}
	for _, m := range f.GetMessageType() {
		c.message(pkg, m)
	}
	for _, e := range f.GetEnumType() {
		c.enum(pkg, e)
	}
	c.fields(pkg, f.GetExtension())
	for _, s := range f.GetService() {
		name := c.declare(pkg, s.GetName())
		for _, m := range s.GetMethod() {
			c.declareShort(name, m.GetName())
			c.refer(name, m.GetInputType())
			c.refer(name, m.GetOutputType())
		}
	}
}

func (c *counter) message(scope string, m *descriptorpb.DescriptorProto) {
	name := c.declare(scope, m.GetName())
	if c.err != nil {
		return
	}
	c.fields(name, m.GetField())
	c.fields(name, m.GetExtension())
	for _, o := range m.GetOneofDecl() {
		c.declareShort(name, o.GetName())
	}
	c.declarations += len(m.GetReservedName()) + len(m.GetReservedRange()) + len(m.GetExtensionRange())
	for _, e := range m.GetEnumType() {
		c.enum(name, e)
	}
	for _, n := range m.GetNestedType() {
		c.message(name, n)
	}
}

func (c *counter) fields(scope string, fields []*descriptorpb.FieldDescriptorProto) {
	for _, f := range fields {
		c.declareShort(scope, f.GetName())
		c.refer(scope, f.GetTypeName())
		c.refer(scope, f.GetExtendee())
		if c.err != nil {
			return
		}
	}
}

func (c *counter) enum(scope string, e *descriptorpb.EnumDescriptorProto) {
	name := c.declare(scope, e.GetName())
	for _, v := range e.GetValue() {
		c.declareShort(name, v.GetName())
	}
	c.declarations += len(e.GetReservedName()) + len(e.GetReservedRange())
	c.check(0)
}
