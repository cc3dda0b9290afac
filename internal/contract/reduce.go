package contract

import (
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// reach is what methods reach: the messages and enums in their requests and responses,
// at any depth.
type reach struct {
	methods  []protoreflect.MethodDescriptor
	messages map[protoreflect.FullName]protoreflect.MessageDescriptor
	enums    map[protoreflect.FullName]protoreflect.EnumDescriptor
}

func reachOf(methods []protoreflect.MethodDescriptor) *reach {
	r := &reach{
		methods:  methods,
		messages: map[protoreflect.FullName]protoreflect.MessageDescriptor{},
		enums:    map[protoreflect.FullName]protoreflect.EnumDescriptor{},
	}
	var todo []protoreflect.MessageDescriptor
	add := func(m protoreflect.MessageDescriptor) {
		if m != nil && r.messages[m.FullName()] == nil {
			r.messages[m.FullName()] = m
			todo = append(todo, m)
		}
	}
	for _, m := range methods {
		add(m.Input())
		add(m.Output())
	}
	for len(todo) > 0 {
		fields := todo[len(todo)-1].Fields()
		todo = todo[:len(todo)-1]
		for i := range fields.Len() {
			f := fields.Get(i)
			add(f.Message())
			if e := f.Enum(); e != nil {
				r.enums[e.FullName()] = e
			}
		}
	}
	return r
}

// missing returns the name of a message or enum whose descriptor is not there, or "".
func (r *reach) missing() protoreflect.FullName {
	for _, name := range slices.Sorted(maps.Keys(r.messages)) {
		if r.messages[name].IsPlaceholder() {
			return name
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.enums)) {
		if r.enums[name].IsPlaceholder() {
			return name
		}
	}
	return ""
}

// reduce returns the files that declare what methods reach, in the order of their
// paths, without everything else that is in them.
func (r *reach) reduce() *descriptorpb.FileDescriptorSet {
	files := map[string]protoreflect.FileDescriptor{}
	add := func(d protoreflect.Descriptor) { files[d.ParentFile().Path()] = d.ParentFile() }
	for _, m := range r.methods {
		add(m)
	}
	for _, m := range r.messages {
		add(m)
	}
	for _, e := range r.enums {
		add(e)
	}
	set := &descriptorpb.FileDescriptorSet{}
	for _, path := range slices.Sorted(maps.Keys(files)) {
		set.File = append(set.File, r.file(files[path]))
	}
	return set
}

func (r *reach) file(fd protoreflect.FileDescriptor) *descriptorpb.FileDescriptorProto {
	full := protodesc.ToFileDescriptorProto(fd)
	imports := map[string]bool{}
	f := &descriptorpb.FileDescriptorProto{
		Name: full.Name, Package: full.Package, Syntax: full.Syntax, Edition: full.Edition,
		MessageType: r.prune(full.MessageType, fd.Package(), imports),
		EnumType:    r.pruneEnums(full.EnumType, fd.Package()),
		Service:     r.services(fd, imports),
	}
	if o := full.GetOptions(); o != nil {
		f.Options = &descriptorpb.FileOptions{GoPackage: o.GoPackage, Features: features(o.Features)}
	}
	delete(imports, fd.Path())
	f.Dependency = slices.Sorted(maps.Keys(imports))
	return f
}

// prune keeps the messages that are reached, and, as a shell, those around them. It
// adds to imports the files of what their fields hold.
func (r *reach) prune(messages []*descriptorpb.DescriptorProto, scope protoreflect.FullName, imports map[string]bool) []*descriptorpb.DescriptorProto {
	var kept []*descriptorpb.DescriptorProto
	for _, m := range messages {
		name := scope.Append(protoreflect.Name(m.GetName()))
		k := &descriptorpb.DescriptorProto{
			Name: m.Name, NestedType: r.prune(m.NestedType, name, imports), EnumType: r.pruneEnums(m.EnumType, name),
		}
		if o := m.GetOptions(); o != nil {
			k.Options = &descriptorpb.MessageOptions{
				MapEntry: o.MapEntry, MessageSetWireFormat: o.MessageSetWireFormat, Features: features(o.Features),
			}
		}
		reached := r.messages[name] != nil
		if reached {
			for _, f := range m.Field {
				k.Field = append(k.Field, r.field(f, imports))
			}
			for _, o := range m.OneofDecl {
				k.OneofDecl = append(k.OneofDecl, &descriptorpb.OneofDescriptorProto{Name: o.Name})
			}
		}
		if reached || k.NestedType != nil || k.EnumType != nil {
			kept = append(kept, k)
		}
	}
	return kept
}

func (r *reach) field(f *descriptorpb.FieldDescriptorProto, imports map[string]bool) *descriptorpb.FieldDescriptorProto {
	k := &descriptorpb.FieldDescriptorProto{
		Name: f.Name, Number: f.Number, Label: f.Label, Type: f.Type, TypeName: f.TypeName,
		OneofIndex: f.OneofIndex, Proto3Optional: f.Proto3Optional,
	}
	if o := f.GetOptions(); o != nil && (o.Packed != nil || o.Features != nil) {
		k.Options = &descriptorpb.FieldOptions{Packed: o.Packed, Features: features(o.Features)}
	}
	name := protoreflect.FullName(strings.TrimPrefix(f.GetTypeName(), "."))
	if m := r.messages[name]; m != nil {
		imports[m.ParentFile().Path()] = true
	} else if e := r.enums[name]; e != nil {
		imports[e.ParentFile().Path()] = true
	}
	return k
}

func (r *reach) pruneEnums(enums []*descriptorpb.EnumDescriptorProto, scope protoreflect.FullName) []*descriptorpb.EnumDescriptorProto {
	var kept []*descriptorpb.EnumDescriptorProto
	for _, e := range enums {
		if r.enums[scope.Append(protoreflect.Name(e.GetName()))] == nil {
			continue
		}
		k := &descriptorpb.EnumDescriptorProto{Name: e.Name}
		for _, v := range e.Value {
			k.Value = append(k.Value, &descriptorpb.EnumValueDescriptorProto{Name: v.Name, Number: v.Number})
		}
		if o := e.GetOptions(); o != nil {
			k.Options = &descriptorpb.EnumOptions{AllowAlias: o.AllowAlias, Features: features(o.Features)}
		}
		kept = append(kept, k)
	}
	return kept
}

// services returns those of a file that have one of the methods, with these alone.
func (r *reach) services(fd protoreflect.FileDescriptor, imports map[string]bool) []*descriptorpb.ServiceDescriptorProto {
	var kept []*descriptorpb.ServiceDescriptorProto
	for i := range fd.Services().Len() {
		s := fd.Services().Get(i)
		k := &descriptorpb.ServiceDescriptorProto{Name: new(string(s.Name()))}
		for _, m := range sorted(r.methods) {
			if m.Parent().FullName() != s.FullName() {
				continue
			}
			p := protodesc.ToMethodDescriptorProto(m)
			p.Options = nil
			k.Method = append(k.Method, p)
			imports[m.Input().ParentFile().Path()] = true
			imports[m.Output().ParentFile().Path()] = true
		}
		if k.Method != nil {
			kept = append(kept, k)
		}
	}
	return kept
}

// features keeps the features that say something about the wire.
func features(f *descriptorpb.FeatureSet) *descriptorpb.FeatureSet {
	if f == nil {
		return nil
	}
	return &descriptorpb.FeatureSet{
		FieldPresence: f.FieldPresence, EnumType: f.EnumType, RepeatedFieldEncoding: f.RepeatedFieldEncoding,
		Utf8Validation: f.Utf8Validation, MessageEncoding: f.MessageEncoding,
	}
}

// sorted returns methods in the order of their full names.
func sorted(methods []protoreflect.MethodDescriptor) []protoreflect.MethodDescriptor {
	return slices.SortedFunc(slices.Values(methods), func(a, b protoreflect.MethodDescriptor) int {
		return strings.Compare(string(a.FullName()), string(b.FullName()))
	})
}
