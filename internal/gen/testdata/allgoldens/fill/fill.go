// Package fill gives messages content that is the same each time, so that the
// guest and the host of the test of all goldens know what the other one sends.
package fill

import (
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Fill sets every field of m, two messages deep.
func Fill(m proto.Message) { fill(m.ProtoReflect(), 2) }

// Check returns an error when got is not what Fill makes of an empty message.
func Check(got proto.Message) error {
	want := got.ProtoReflect().New().Interface()
	Fill(want)
	if !proto.Equal(got, want) {
		return fmt.Errorf("got %v, want %v", got, want)
	}
	return nil
}

func fill(m protoreflect.Message, depth int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		switch {
		case field.IsMap():
			fillMap(m.Mutable(field).Map(), field, depth)
		case field.IsList():
			list := m.Mutable(field).List()
			if field.Message() == nil {
				list.Append(scalar(field))
			} else if depth > 0 {
				fill(list.AppendMutable().Message(), depth-1)
			}
		case field.Message() == nil:
			m.Set(field, scalar(field))
		case depth > 0:
			fill(m.Mutable(field).Message(), depth-1)
		}
	}
}

func fillMap(values protoreflect.Map, field protoreflect.FieldDescriptor, depth int) {
	key := scalar(field.MapKey()).MapKey()
	if field.MapValue().Message() == nil {
		values.Set(key, scalar(field.MapValue()))
	} else if depth > 0 {
		fill(values.Mutable(key).Message(), depth-1)
	}
}

func scalar(field protoreflect.FieldDescriptor) protoreflect.Value {
	n := int32(field.Number())
	switch field.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.EnumKind:
		values := field.Enum().Values()
		return protoreflect.ValueOfEnum(values.Get(values.Len() - 1).Number())
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(string(field.FullName()))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte(field.FullName()))
	case protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32(float32(n) / 4)
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(float64(n) / 8)
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32(-n)
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return protoreflect.ValueOfInt64(-int64(n) << 40)
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(uint32(n))
	default:
		return protoreflect.ValueOfUint64(uint64(n) << 40)
	}
}
