package codec

import (
	"unsafe"

	"google.golang.org/protobuf/proto"
)

// methods are the methods that one type has for the interface I.
//
// Asking a message for an interface looks the pair of types up in a table, which takes a
// guest 80 ns, and ten times as many where it can be interrupted. A call would ask three
// times, so each type is asked once. That needs to know how Go lays out an interface
// value: a pointer to the methods, and one to the message.
type methods[I any] struct{ table unsafe.Pointer }

type words struct{ table, data unsafe.Pointer }

// methodsOf returns the methods of the type of m. There are none when it lacks them, or
// should Go lay interface values out in another way some day.
func methodsOf[I any](m proto.Message) methods[I] {
	v, ok := m.(I)
	if !ok {
		return methods[I]{}
	}
	found := methods[I]{(*words)(unsafe.Pointer(&v)).table}
	if any(found.of(m)) != any(m) {
		return methods[I]{}
	}
	return found
}

func (t methods[I]) found() bool { return t.table != nil }

// of returns m, which has the type that the methods are of.
func (t methods[I]) of(m proto.Message) I {
	w := words{t.table, (*words)(unsafe.Pointer(&m)).data}
	return *(*I)(unsafe.Pointer(&w))
}

// At returns the message at p, which has the type of m. p may be nil, and so may the pointer in m.
func At(m proto.Message, p unsafe.Pointer) proto.Message {
	w := words{(*words)(unsafe.Pointer(&m)).table, p}
	return *(*proto.Message)(unsafe.Pointer(&w))
}
