package codec

import (
	"reflect"
	"unsafe"

	"google.golang.org/protobuf/proto"
)

// What messages share that an [Owner] decodes, where most of the time goes to allocations.
const (
	// chunk is how many bytes are allocated at once for the contents of messages of up to
	// smallest bytes, and chunkTexts how many strings for the lists of those of up to Most.
	chunk      = 1 << 10
	smallest   = 256
	chunkTexts = 24
	// expected is how many elements of a list are allocated before there are any, at most.
	expected = 16

	// Most is the size up to which messages share allocations with others, in bytes.
	Most = 2 << 10
	// Share is how much those contain that share one, in bytes. A message that lives keeps
	// as much of others.
	Share = 6 << 10
)

// Owner is a codec that decodes messages that own their data, with few allocations: a
// guest pays for each of them with a third of a microsecond. It is for one goroutine at a
// time, in the sense that a guest's goroutines do not run at once: Decode may be called
// while another one waits.
type Owner struct {
	*Codec
	borrows bool // and what it borrows can be made the message's own
	lists   []list
	bytes   []uintptr // where messages have bytes
	rest    []byte    // of a chunk
	strings []string  // the same for lists
	share   int       // how much may be in their messages, in bytes
}

// OwnerOf returns an owner of messages of the type of m.
func OwnerOf(m proto.Message) *Owner {
	o := &Owner{Codec: Of(m)}
	if o.borrows = o.Borrows() && !o.hidden && generated(reflect.TypeOf(m)); o.borrows {
		o.lists, o.bytes = listsOf(reflect.TypeOf(m).Elem())
	}
	return o
}

// generated reports whether t is a pointer to a generated type, and not to one that has such a
// message in it, where bytes would be out of sight.
func generated(t reflect.Type) bool {
	f, ok := t.Elem().FieldByName("unknownFields")
	return ok && len(f.Index) == 1
}

// Owners are the owners of messages of all types that one goroutine at a time decodes. The zero
// value is ready, and nil decodes as the codecs do.
type Owners struct {
	last  reflect.Type
	owner *Owner // of last
	all   map[reflect.Type]*Owner
}

// Own is [Owner.Own] for m, which is empty.
func (o *Owners) Own(b []byte, m proto.Message) error {
	if o == nil {
		return Of(m).Decode(b, m)
	}
	if t := reflect.TypeOf(m); t != o.last {
		o.find(t, m)
	}
	return o.owner.Own(b, m)
}

func (o *Owners) find(t reflect.Type, m proto.Message) {
	owner := o.all[t]
	if owner == nil {
		owner = OwnerOf(m)
		if o.all == nil {
			o.all = map[reflect.Type]*Owner{}
		}
		o.all[t] = owner
	}
	o.last, o.owner = t, owner
}

// Own is Decode with one copy of b instead of one for each string and bytes field. The
// copy, and what else is in its chunk, live for as long as any of them does.
func (o *Owner) Own(b []byte, m proto.Message) error {
	if !o.borrows {
		return o.Decode(b, m)
	}
	p := (*words)(unsafe.Pointer(&m)).data
	for i := range o.lists {
		if l := &o.lists[i]; l.last > 0 {
			o.reserve(l, unsafe.Add(p, l.offset), len(b))
		}
	}
	err := o.Borrower(m).UnmarshalVTUnsafe(o.copied(b))
	for i := range o.lists {
		// Only the length counts, which all slices have. It is mostly the same.
		if l := &o.lists[i]; l.kind == blobs || len(*(*[]struct{})(unsafe.Add(p, l.offset))) != l.last {
			l.learn(unsafe.Add(p, l.offset))
		}
	}
	for _, offset := range o.bytes {
		clip((*[]byte)(unsafe.Add(p, offset)))
	}
	return err
}

func (o *Owner) copied(b []byte) []byte {
	if len(b) > smallest {
		whole := make([]byte, len(b)) // this and copy are one step for Go
		copy(whole, b)
		return whole
	}
	rest := o.rest
	if len(rest) < len(b) {
		rest = make([]byte, chunk) // others may run meanwhile
	}
	n := copy(rest, b)
	o.rest = rest[n:]
	return rest[:n:n]
}

// list is a list in a message. It expects the next message to have as many elements as the
// last one had, as growing to a few elements takes an allocation for each doubling.
type list struct {
	offset uintptr
	kind   kind
	last   int
}

// kind is what the elements of a list are.
type kind uint8

const (
	texts    kind = iota // strings
	blobs                // bytes
	messages             // pointers
)

// listsOf returns the lists of strings, bytes and messages in the generated type t, and
// where it has bytes: for lists of numbers vtprotobuf itself makes room.
func listsOf(t reflect.Type) (all []list, bytes []uintptr) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Tag.Get("protobuf") == "" || f.Type.Kind() != reflect.Slice {
			continue
		}
		switch e := f.Type.Elem(); {
		case e.Kind() == reflect.Uint8:
			bytes = append(bytes, f.Offset)
		case e.Kind() == reflect.String:
			all = append(all, list{offset: f.Offset, kind: texts})
		case e.Kind() == reflect.Slice:
			all = append(all, list{offset: f.Offset, kind: blobs})
		case e.Kind() == reflect.Pointer:
			all = append(all, list{offset: f.Offset, kind: messages})
		}
	}
	return all, bytes
}

// reserve makes room for a list at p, in an empty message that will have size bytes.
func (o *Owner) reserve(l *list, p unsafe.Pointer, size int) {
	switch l.kind {
	case texts:
		*(*[]string)(p) = o.texts(l.last, size)
	case blobs:
		*(*[][]byte)(p) = make([][]byte, 0, l.last)
	case messages:
		*(*[]unsafe.Pointer)(p) = make([]unsafe.Pointer, 0, l.last)
	}
}

// texts returns an empty list with room for n strings, up to expected, for a message of size
// bytes.
func (o *Owner) texts(n, size int) []string {
	rest := o.strings
	if n > len(rest) || size > o.share {
		if size > Most {
			return make([]string, 0, n)
		}
		rest = make([]string, chunkTexts) // others may run meanwhile
		o.share = Share
	}
	o.strings = rest[n:]
	o.share -= size
	return rest[:0:n]
}

// learn looks at the list at p after the message was decoded. One without elements is nil, as
// it is without reserve.
func (l *list) learn(p unsafe.Pointer) {
	if l.kind == blobs {
		for i := range *(*[][]byte)(p) {
			clip(&(*(*[][]byte)(p))[i])
		}
	}
	n := len(*(*[]struct{})(p))
	l.last = min(n, expected)
	if n == 0 {
		*(*[]unsafe.Pointer)(p) = nil
	}
}

// clip leaves b no room to append in place: who appends must not write over what is behind
// it. Where bytes are somewhere that an [Owner] does not see, it does not borrow.
func clip(b *[]byte) { *b = (*b)[:len(*b):len(*b)] }
