package codec

import (
	"reflect"
	"unsafe"
)

// flat are the fields of messages of one type that consist of texts, numbers and lists of
// these. They are emptied field by field. Reset empties all of a message and then tells it
// what it is, with atomic operations: that takes a tenth of a small call.
type flat []field

type field struct {
	offset uintptr
	kind   fieldKind
}

type fieldKind uint8

const (
	text  fieldKind = iota
	bytes           // the unknown fields, too: they are borrowed, and no room
	items           // a list of anything else
	word            // 8 bytes
	half            // 4
	flag            // 1
)

// flatOf returns the fields of the generated type t, or nil if it has others.
func flatOf(t reflect.Type) flat {
	var all flat
	for i := range t.NumField() {
		f := t.Field(i)
		switch kind, ok := kindOf(f.Type); {
		case f.Name == "state" || f.Name == "sizeCache": // stay as they are
		case !ok || f.Tag.Get("protobuf") == "" && f.Name != "unknownFields":
			return nil
		default:
			all = append(all, field{f.Offset, kind})
		}
	}
	return all
}

// plain are the fields that are no lists.
var plain = map[reflect.Kind]fieldKind{
	reflect.String: text, reflect.Bool: flag,
	reflect.Int64: word, reflect.Uint64: word, reflect.Float64: word,
	reflect.Int32: half, reflect.Uint32: half, reflect.Float32: half,
}

func kindOf(t reflect.Type) (kind fieldKind, ok bool) {
	if t.Kind() != reflect.Slice {
		kind, ok = plain[t.Kind()]
		return kind, ok
	}
	if t.Elem().Kind() == reflect.Uint8 {
		return bytes, true
	}
	return items, t.Elem().Kind() != reflect.Pointer
}

// empty empties the message at p. It may keep the room of its lists.
func (f flat) empty(p unsafe.Pointer, keep bool) {
	for i := range f {
		at := unsafe.Add(p, f[i].offset)
		switch f[i].kind {
		case text:
			*(*string)(at) = ""
		case bytes:
			*(*[]byte)(at) = nil
		case items: // only the length counts, which all slices have
			s := (*[]struct{})(at)
			*s = (*s)[:0]
			if !keep {
				*s = nil
			}
		case word:
			*(*uint64)(at) = 0
		case half:
			*(*uint32)(at) = 0
		case flag:
			*(*bool)(at) = false
		}
	}
}
