package codec

import (
	"reflect"
	"unsafe"

	"google.golang.org/protobuf/proto"
)

// Room tells how much Recycle keeps of messages of one type.
type Room struct {
	lists   []reserved
	unknown bool // as there are messages within the message
}

// reserved is a list whose room is kept.
type reserved struct {
	offset, element uintptr // in bytes
}

// RoomOf returns the room of messages of the type of m.
func RoomOf(m proto.Message) Room {
	var r Room
	t := reflect.TypeOf(m).Elem()
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Tag.Get("protobuf") == "" && f.Tag.Get("protobuf_oneof") == "" {
			continue
		}
		switch t := f.Type; {
		case t.Kind() == reflect.Map, t.Kind() == reflect.Interface:
			r.unknown = true
		case t.Kind() == reflect.Pointer: // to a message, or an optional number
			e := t.Elem().Kind()
			r.unknown = r.unknown || e == reflect.Struct || e == reflect.Slice
		case t.Kind() == reflect.Slice:
			e := t.Elem()
			r.unknown = r.unknown || e.Kind() == reflect.Pointer
			if e.Kind() != reflect.Uint8 { // bytes are borrowed, and no room
				r.lists = append(r.lists, reserved{f.Offset, e.Size()})
			}
		}
	}
	return r
}

// AtMost reports whether m, which has been decoded by Borrow, has no more room than limit
// bytes.
func (r Room) AtMost(limit uintptr, m proto.Message) bool {
	if r.unknown {
		return false
	}
	p, sum := (*words)(unsafe.Pointer(&m)).data, uintptr(0)
	for _, l := range r.lists {
		// Only the capacity counts, which all slices have.
		sum += uintptr(cap(*(*[]struct{})(unsafe.Add(p, l.offset)))) * l.element
	}
	return sum <= limit
}
