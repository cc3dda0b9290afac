// Package codec encodes and decodes the messages of calls: with the methods that
// vtprotobuf generates for those that have them, and with protobuf-go for all others.
// Both sides of a call use it.
package codec

import (
	"fmt"
	"reflect"
	"sync"
	"unsafe"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// What vtprotobuf generates. The names of the interfaces are not known to it, and need not
// be.
type (
	// Marshaler is a message with the features size and marshal.
	Marshaler interface {
		SizeVT() int
		MarshalToSizedBufferVT(b []byte) (int, error)
	}
	// unmarshaler is one with the feature unmarshal.
	unmarshaler interface{ UnmarshalVT(b []byte) error }
	// Borrower is one with the feature unmarshal_unsafe.
	Borrower interface{ UnmarshalVTUnsafe(b []byte) error }
	// resetter is one with the feature pool.
	resetter interface{ ResetVT() }
)

// Codec is how messages of one Go type are encoded and decoded. Its methods must be
// given messages of that type. The zero value takes any type, and uses protobuf-go. Safe
// for concurrent use.
type Codec struct {
	marshal   methods[Marshaler]
	unmarshal methods[unmarshaler]
	borrow    methods[Borrower]
	reset     methods[resetter]
	hidden    bool  // see survey
	flat      *flat // nil: messages are emptied as a whole

	// Fast is whether messages can be encoded, decoded and borrowed with vtprotobuf's
	// methods. It does not change.
	Fast bool
}

var codecs sync.Map // reflect.Type → *Codec

// Of returns the codec of the type of m, which is found once.
func Of(m proto.Message) *Codec {
	t := reflect.TypeOf(m)
	if c, ok := codecs.Load(t); ok {
		return c.(*Codec)
	}
	c, _ := codecs.LoadOrStore(t, find(m))
	return c.(*Codec)
}

// find looks for the methods of vtprotobuf, and for what they cannot do. They leave out
// extensions when they encode. And they call themselves for each message within a
// message, without a limit, so that a request of a few megabytes could be nested deeply
// enough to overflow the stack, which ends the process: where messages contain their own
// kind, protobuf-go decodes, which has a limit.
func find(m proto.Message) *Codec {
	c := new(Codec)
	marshal, unmarshal := methodsOf[Marshaler](m), methodsOf[unmarshaler](m)
	if !marshal.found() && !unmarshal.found() {
		return c
	}
	s := survey{seen: map[protoreflect.FullName]visit{}}
	s.walk(m.ProtoReflect().Descriptor(), true)
	if s.extendable {
		return c
	}
	c.marshal = marshal
	if s.recursive {
		return c
	}
	c.unmarshal, c.borrow, c.hidden = unmarshal, methodsOf[Borrower](m), s.hidden
	// A message within the message goes back to a pool of the whole process when it is
	// reset, with the room of its bytes, which are borrowed.
	if c.borrow.found() && !s.hidden {
		c.flat, c.reset = flatOf(reflect.TypeOf(m).Elem()), methodsOf[resetter](m)
	}
	c.Fast = marshal.found() && unmarshal.found() && c.borrow.found()
	return c
}

// survey looks at a message and at all that it may contain.
type survey struct {
	extendable, recursive bool
	hidden                bool // bytes that are no field of the message itself
	seen                  map[protoreflect.FullName]visit
}

type visit bool

const (
	open visit = false // being walked
	done visit = true
)

func (s *survey) walk(d protoreflect.MessageDescriptor, top bool) {
	name := d.FullName()
	if v, seen := s.seen[name]; seen {
		s.recursive = s.recursive || v == open
		return
	}
	s.seen[name] = open
	s.extendable = s.extendable || d.ExtensionRanges().Len() > 0
	for i := range d.Fields().Len() {
		f := d.Fields().Get(i)
		if f.Kind() == protoreflect.BytesKind {
			o := f.ContainingOneof()
			s.hidden = s.hidden || !top || o != nil && !o.IsSynthetic()
		}
		if m := f.Message(); m != nil {
			s.walk(m, false)
		}
	}
	s.seen[name] = done
}

// Borrows reports whether messages can be decoded without copying strings and bytes.
func (c *Codec) Borrows() bool { return c.borrow.found() }

// Marshaler returns m as what it is when the codec is Fast.
func (c *Codec) Marshaler(m proto.Message) Marshaler { return c.marshal.of(m) }

// Borrower returns m as what it is when the codec is Fast.
func (c *Codec) Borrower(m proto.Message) Borrower { return c.borrow.of(m) }

// Size returns the size of m when it is encoded, in bytes. A nil message has none.
func (c *Codec) Size(m proto.Message) int {
	if c.marshal.found() {
		return c.marshal.of(m).SizeVT()
	}
	return proto.Size(m)
}

// Encode encodes m into dst, which has the length that Size has just returned.
func (c *Codec) Encode(dst []byte, m proto.Message) error {
	n := len(dst)
	var err error
	if c.marshal.found() {
		n, err = c.marshal.of(m).MarshalToSizedBufferVT(dst)
	} else {
		var out []byte
		out, err = proto.MarshalOptions{UseCachedSize: true}.MarshalAppend(dst[:0:n], m)
		n = len(out)
	}
	if err == nil && n != len(dst) {
		// Whoever made it changes it still.
		err = fmt.Errorf("it changed meanwhile: %d bytes became %d", len(dst), n)
	}
	return err
}

// Decode decodes b into m, which is empty. m owns its data: b may change afterwards.
func (c *Codec) Decode(b []byte, m proto.Message) error {
	if c.unmarshal.found() {
		return c.unmarshal.of(m).UnmarshalVT(b)
	}
	return proto.Unmarshal(b, m)
}

// Borrow is Decode where strings and bytes of m may be parts of b: they are good for as
// long as b does not change.
func (c *Codec) Borrow(b []byte, m proto.Message) error {
	if c.borrow.found() {
		return c.borrow.of(m).UnmarshalVTUnsafe(b)
	}
	return c.Decode(b, m)
}

// Reset empties m. What m had may be used on by others.
func (c *Codec) Reset(m proto.Message) {
	if c.flat == nil {
		proto.Reset(m)
		return
	}
	p := (*words)(unsafe.Pointer(&m)).data
	c.flat.empty(p)
	c.flat.dropRoom(p)
}

// Recycle empties m for Borrow, but keeps the room of its lists where it can. Nobody else
// must use what m had, and m must be given to Borrow or Reset next.
func (c *Codec) Recycle(m proto.Message) {
	switch {
	case c.flat != nil:
		c.flat.empty((*words)(unsafe.Pointer(&m)).data)
	case c.reset.found():
		c.reset.of(m).ResetVT()
	default:
		proto.Reset(m)
	}
}

// Flat is whether messages consist of texts, numbers and lists of these. Then Empty is Recycle, and
// faster.
func (c *Codec) Flat() bool { return c.flat != nil }

// Empty is Recycle for messages that are Flat.
func (c *Codec) Empty(m proto.Message) { c.flat.empty((*words)(unsafe.Pointer(&m)).data) }

// NameOf returns the full name of the type of m, for errors.
func NameOf(m proto.Message) protoreflect.FullName {
	return m.ProtoReflect().Descriptor().FullName()
}
