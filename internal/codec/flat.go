package codec

import (
	"reflect"
	"unsafe"
)

// flat is where messages of one type have their fields that consist of texts, numbers and
// lists of these. They are emptied field by field. Reset empties all of a message and then
// tells it what it is, with atomic operations: that takes a tenth of a small call.
//
// The usual ones are not in the list, as each turn of a loop goes through a table in a guest,
// and through a check in one that can be interrupted. Where a message has none of these, it is
// the bytes of its unknown fields, which are emptied anyway.
type flat struct {
	texts [2]uintptr
	bytes [2]uintptr
	words [2]uintptr
	items uintptr
	more  []field
}

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
func flatOf(t reflect.Type) *flat {
	unknown, ok := t.FieldByName("unknownFields")
	if !ok {
		return nil
	}
	at := unknown.Offset
	length := at + unsafe.Sizeof(at) // no pointer, which a word is not
	f := &flat{texts: [2]uintptr{at, at}, bytes: [2]uintptr{at, at}, words: [2]uintptr{length, length}, items: at}
	seen := map[fieldKind]int{bytes: 1}
	for i := range t.NumField() {
		d := t.Field(i)
		switch d.Name {
		case "unknownFields", "state", "sizeCache": // the latter stay as they are
			continue
		}
		kind, ok := kindOf(d.Type)
		if !ok || d.Tag.Get("protobuf") == "" {
			return nil
		}
		f.add(field{d.Offset, kind}, seen[kind])
		seen[kind]++
	}
	return f
}

// add adds a field, before which there are n of its kind.
func (f *flat) add(d field, n int) {
	switch {
	case d.kind == text && n < len(f.texts):
		f.texts[n] = d.offset
	case d.kind == bytes && n < len(f.bytes):
		f.bytes[n] = d.offset
	case d.kind == word && n < len(f.words):
		f.words[n] = d.offset
	case d.kind == items && n == 0:
		f.items = d.offset
	default:
		f.more = append(f.more, d)
	}
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

// empty empties the message at p, but keeps the room of its lists.
func (f *flat) empty(p unsafe.Pointer) {
	*(*string)(unsafe.Add(p, f.texts[0])) = ""
	*(*string)(unsafe.Add(p, f.texts[1])) = ""
	*(*uint64)(unsafe.Add(p, f.words[0])) = 0
	*(*uint64)(unsafe.Add(p, f.words[1])) = 0
	emptyItems(unsafe.Add(p, f.items))
	*(*[]byte)(unsafe.Add(p, f.bytes[0])) = nil
	*(*[]byte)(unsafe.Add(p, f.bytes[1])) = nil
	if len(f.more) > 0 {
		f.emptyMore(p)
	}
}

func (f *flat) emptyMore(p unsafe.Pointer) {
	for _, d := range f.more {
		at := unsafe.Add(p, d.offset)
		switch d.kind {
		case text:
			*(*string)(at) = ""
		case bytes:
			*(*[]byte)(at) = nil
		case items:
			emptyItems(at)
		case word:
			*(*uint64)(at) = 0
		case half:
			*(*uint32)(at) = 0
		case flag:
			*(*bool)(at) = false
		}
	}
}

// emptyItems empties a list. Only the length counts, which all slices have.
func emptyItems(at unsafe.Pointer) {
	s := (*[]struct{})(at)
	*s = (*s)[:0]
}

// dropRoom drops the room of lists, which are empty.
func (f *flat) dropRoom(p unsafe.Pointer) {
	*(*[]struct{})(unsafe.Add(p, f.items)) = nil
	for _, d := range f.more {
		if d.kind == items {
			*(*[]struct{})(unsafe.Add(p, d.offset)) = nil
		}
	}
}
