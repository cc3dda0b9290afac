package contract

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// hashOf returns the SHA-256 of what methods mean, in a form that does not depend on
// files, comments, options or the order of declarations. docs/abi.md describes it.
func hashOf(methods []protoreflect.MethodDescriptor) []byte {
	h := sha256.New()
	writeCanonical(h, methods)
	return h.Sum(nil)
}

// writeCanonical writes the canonical form of methods. w must not fail.
func writeCanonical(w io.Writer, methods []protoreflect.MethodDescriptor) {
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }
	for _, m := range sorted(methods) {
		line("method %s %s%s %s%s", m.FullName(), stream(m.IsStreamingClient()), m.Input().FullName(),
			stream(m.IsStreamingServer()), m.Output().FullName())
	}
	r := reachOf(methods)
	for _, name := range slices.Sorted(maps.Keys(r.messages)) {
		line("message %s", name)
		for _, f := range byNumber(r.messages[name].Fields()) {
			line("field %d %s %s %s", f.Number(), f.Name(), f.Cardinality(), typeOf(f)+oneofOf(f))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.enums)) {
		line("enum %s%s", name, closed(r.enums[name]))
		for _, v := range byNumberAndName(r.enums[name].Values()) {
			line("value %d %s", v.Number(), v.Name())
		}
	}
}

func stream(yes bool) string {
	if yes {
		return "stream "
	}
	return ""
}

func closed(e protoreflect.EnumDescriptor) string {
	if e.IsClosed() {
		return " closed"
	}
	return ""
}

// typeOf returns the kind of a field, and the name of its message or enum.
func typeOf(f protoreflect.FieldDescriptor) string {
	switch {
	case f.Message() != nil:
		return f.Kind().String() + " " + string(f.Message().FullName())
	case f.Enum() != nil:
		return f.Kind().String() + " " + string(f.Enum().FullName())
	}
	return f.Kind().String()
}

func oneofOf(f protoreflect.FieldDescriptor) string {
	if o := oneof(f); o != nil {
		return " oneof " + string(o.Name())
	}
	return ""
}

// oneof returns the oneof that a field belongs to, or nil. The one that stands for
// "optional" is none.
func oneof(f protoreflect.FieldDescriptor) protoreflect.OneofDescriptor {
	if o := f.ContainingOneof(); o != nil && !o.IsSynthetic() {
		return o
	}
	return nil
}

func byNumber(fields protoreflect.FieldDescriptors) []protoreflect.FieldDescriptor {
	all := make([]protoreflect.FieldDescriptor, fields.Len())
	for i := range all {
		all[i] = fields.Get(i)
	}
	slices.SortFunc(all, func(a, b protoreflect.FieldDescriptor) int { return cmp.Compare(a.Number(), b.Number()) })
	return all
}

func byNumberAndName(values protoreflect.EnumValueDescriptors) []protoreflect.EnumValueDescriptor {
	all := make([]protoreflect.EnumValueDescriptor, values.Len())
	for i := range all {
		all[i] = values.Get(i)
	}
	slices.SortFunc(all, func(a, b protoreflect.EnumValueDescriptor) int {
		return cmp.Or(cmp.Compare(a.Number(), b.Number()), cmp.Compare(a.Name(), b.Name()))
	})
	return all
}
