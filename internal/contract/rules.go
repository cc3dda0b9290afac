package contract

import (
	"fmt"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// What may change between two versions of a message is what
// https://protobuf.dev/programming-guides/proto3/#updating allows. It depends on who
// writes and who reads: the guest writes requests and reads responses. Fields that one
// side does not know are skipped; renaming anything is fine, too.

// messages are a message of the guest and the one that the host has in its place.
type messages struct {
	guest, host protoreflect.MessageDescriptor
	hostReads   bool
}

// field is a field that both have.
type field struct {
	messages
	fieldPair // of the guest and the host

	writer, reader protoreflect.FieldDescriptor
}

type fieldPair struct{ mine, theirs protoreflect.FieldDescriptor }

// fieldRules are the rules for a field that both sides have, with its number. Each
// returns what is wrong, or "".
var fieldRules = []struct {
	name  string
	check func(f field) string
}{
	{"FIELD_WIRE_COMPATIBLE_TYPE", func(f field) string {
		if compatible(f.writer.Kind(), f.reader.Kind()) {
			return ""
		}
		return fmt.Sprintf("was %s, is %s", f.mine.Kind(), f.theirs.Kind())
	}},
	// A field that occurs once is a list of one to its reader, but of a list who reads
	// one gets the last at best.
	{"FIELD_WIRE_COMPATIBLE_CARDINALITY", func(f field) string {
		if !f.writer.IsList() && !f.writer.IsMap() || f.reader.Cardinality() == protoreflect.Repeated {
			return ""
		}
		return fmt.Sprintf("was %s, is %s", cardinality(f.mine), cardinality(f.theirs))
	}},
	{"FIELD_SAME_REQUIRED", func(f field) string {
		if f.reader.Cardinality() != protoreflect.Required || f.writer.Cardinality() == protoreflect.Required {
			return ""
		}
		if f.hostReads {
			return "was not required, is required"
		}
		return "was required, is not"
	}},
	// Of the fields of a oneof, its reader keeps the last.
	{"FIELD_SAME_ONEOF", func(f field) string {
		o := oneof(f.reader)
		if o == nil {
			return ""
		}
		for _, other := range byNumber(o.Fields()) {
			written := f.writer.ContainingMessage().Fields().ByNumber(other.Number())
			if other.Number() <= f.reader.Number() || written == nil {
				continue
			}
			if w := oneof(written); w == nil || w != oneof(f.writer) {
				return fmt.Sprintf("and field %d are in one oneof, %s, for one side only", other.Number(), o.Name())
			}
		}
		return ""
	}},
}

// wireTypes has a number for kinds of fields that are written alike.
var wireTypes = map[protoreflect.Kind]int{
	protoreflect.Int32Kind: 1, protoreflect.Int64Kind: 1, protoreflect.Uint32Kind: 1, protoreflect.Uint64Kind: 1,
	protoreflect.BoolKind: 1, protoreflect.EnumKind: 1,
	protoreflect.Sint32Kind: 2, protoreflect.Sint64Kind: 2,
	protoreflect.Fixed32Kind: 3, protoreflect.Sfixed32Kind: 3,
	protoreflect.Fixed64Kind: 4, protoreflect.Sfixed64Kind: 4,
	protoreflect.StringKind: 5, protoreflect.BytesKind: 5,
	protoreflect.FloatKind: 6, protoreflect.DoubleKind: 7, protoreflect.MessageKind: 8, protoreflect.GroupKind: 9,
}

// compatible tells whether a reader understands what a writer means. Not all bytes are
// a string, and an enum is an integer but no truth value.
func compatible(writer, reader protoreflect.Kind) bool {
	switch {
	case writer == protoreflect.BytesKind && reader == protoreflect.StringKind,
		writer == protoreflect.EnumKind && reader == protoreflect.BoolKind,
		writer == protoreflect.BoolKind && reader == protoreflect.EnumKind:
		return false
	}
	return wireTypes[writer] == wireTypes[reader]
}

func cardinality(f protoreflect.FieldDescriptor) string {
	switch {
	case f.IsMap():
		return "a map"
	case f.IsList():
		return "repeated"
	}
	return "singular"
}

// messages compares two messages field by field.
func (c *comparison) messages(m messages) {
	if !c.spend(m.guest.Fields().Len() + m.host.Fields().Len()) {
		return
	}
	for _, mine := range byNumber(m.guest.Fields()) {
		if moved := m.host.Fields().ByName(mine.Name()); moved != nil && moved.Number() != mine.Number() {
			c.report("FIELD_SAME_NUMBER", "field %s was number %d, is number %d", c.name(mine), mine.Number(), moved.Number())
		}
		theirs := m.host.Fields().ByNumber(mine.Number())
		if theirs == nil {
			if !m.hostReads && mine.Cardinality() == protoreflect.Required {
				c.report("FIELD_SAME_REQUIRED", "field %s (%d) was required, is gone", c.name(mine), mine.Number())
			}
			continue
		}
		c.fields(m, mine, theirs)
	}
	for _, theirs := range byNumber(m.host.Fields()) {
		if m.hostReads && theirs.Cardinality() == protoreflect.Required && m.guest.Fields().ByNumber(theirs.Number()) == nil {
			c.report("FIELD_SAME_REQUIRED", "field %s.%s (%d) is new, and required", c.name(m.guest), theirs.Name(), theirs.Number())
		}
	}
}

// fields compares two fields that have the same number.
func (c *comparison) fields(m messages, mine, theirs protoreflect.FieldDescriptor) {
	f := field{messages: m, fieldPair: fieldPair{mine, theirs}, writer: mine, reader: theirs}
	if !m.hostReads {
		f.writer, f.reader = theirs, mine
	}
	if o := oneof(f.reader); o != nil && !c.spend(o.Fields().Len()) {
		return
	}
	for _, rule := range fieldRules {
		text := rule.check(f)
		if text == "" {
			continue
		}
		if mine.Name() != theirs.Name() {
			text += fmt.Sprintf(", and is called %s", theirs.Name())
		}
		c.report(rule.name, "field %s (%d) %s", c.name(mine), mine.Number(), text)
	}
	switch {
	case mine.Message() != nil && theirs.Message() != nil:
		c.add(mine.Message(), theirs.Message(), m.hostReads)
	case mine.Enum() != nil && theirs.Enum() != nil:
		c.add(mine.Enum(), theirs.Enum(), m.hostReads)
	}
}

// enums compares two enums. Values that one side does not know are kept as numbers.
func (c *comparison) enums(guest, host protoreflect.EnumDescriptor) {
	if !c.spend(guest.Values().Len()) {
		return
	}
	for _, mine := range byNumberAndName(guest.Values()) {
		if theirs := host.Values().ByName(mine.Name()); theirs != nil && theirs.Number() != mine.Number() {
			c.report("ENUM_VALUE_SAME_NUMBER", "value %s of %s was %d, is %d", mine.Name(), c.name(guest), mine.Number(), theirs.Number())
		}
	}
}
