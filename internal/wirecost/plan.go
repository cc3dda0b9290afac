package wirecost

import (
	"reflect"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Plan is what messages of one type take. It does not change.
type Plan struct {
	name   protoreflect.FullName
	size   uint64  // of a new message, as it is allocated
	begin  uint64  // bytes that decoding takes in a new message, whatever comes
	dense  []field // by number
	sparse map[protowire.Number]*field
	lists  int // how many fields are lists

	extendable bool
	discards   bool // unknown fields, as an entry of a map does
	lazy       bool // keeps a copy of its bytes

	factor    uint64 // bytes for one encoded byte, at most
	quadratic bool   // and more where lists of numbers come in many pieces
}

// field is what a field takes.
type field struct {
	known   bool
	wire    protowire.Type // of one value
	number  protowire.Number
	alloc   uint64 // bytes for each value, beside its contents and its place in a list
	elem    uint64 // bytes of a place in the list, 0: it is none
	list    int    // which of the lists of the message
	once    uint64 // the bit of a message that is not in a list, or a map; 0: there are too many
	first   uint64 // bytes for the first entry of a map, in addition
	packs   bool   // the list may be packed
	message *Plan
}

const (
	// pointerTo is what a value takes that is behind a pointer or in a oneof.
	pointerTo = 48
	// mapEntry is what an entry of a map takes beside key and value: what the decoder needs
	// for the moment, and the growth of the map.
	mapEntry = 160
	// mapSlot is how often the place of an entry is allocated until the map has grown.
	mapSlot = 5
	// mapNew is what an empty map takes beside its first eight places.
	mapNew = 128
	// growth is how often a place in a list is allocated until the list has grown, at most.
	growth = 7
	// dynamicStruct, dynamicMessage and dynamicValue are what messages without Go types take,
	// their contents, and the values of their fields in addition.
	dynamicStruct, dynamicMessage, dynamicValue = 128, 512, 192
	// extension is what an extension takes in addition.
	extension = 1024
	// maxDense bounds the numbers of fields that are found by index.
	maxDense = 128
)

var (
	plans   sync.Map // protoreflect.MessageType → *Plan
	plansMu sync.Mutex
)

// Of returns the plan of the type of m, which is made once.
func Of(m proto.Message) *Plan {
	r := m.ProtoReflect()
	if p, ok := plans.Load(r.Type()); ok {
		return p.(*Plan)
	}
	plansMu.Lock()
	defer plansMu.Unlock()
	b := builder{made: map[protoreflect.MessageType]*Plan{}}
	root := b.plan(r.New())
	for _, p := range b.made {
		p.factor, p.quadratic = worstOf(p)
	}
	for t, p := range b.made {
		plans.LoadOrStore(t, p)
	}
	return root
}

// builder makes plans of types that refer to each other.
type builder struct {
	made map[protoreflect.MessageType]*Plan
}

func (b *builder) plan(m protoreflect.Message) *Plan {
	t := m.Type()
	if p := b.made[t]; p != nil {
		return p
	}
	d := m.Descriptor()
	p := &Plan{name: d.FullName(), size: sizeOf(m), extendable: d.ExtensionRanges().Len() > 0}
	b.made[t] = p
	dynamic := isDynamic(m)
	if p.extendable {
		p.begin = 2 * pointerTo
	}
	if dynamic {
		p.begin = dynamicMessage
	}
	p.size += p.begin
	singles := 0
	for i := range d.Fields().Len() {
		fd := d.Fields().Get(i)
		f := b.field(m, fd)
		if dynamic {
			f.alloc += dynamicValue
		}
		switch {
		case f.elem > 0:
			f.list = p.lists
			p.lists++
		case f.message != nil && singles < 64:
			f.once = 1 << singles
			singles++
		}
		if l, ok := fd.(interface{ IsLazy() bool }); ok && l.IsLazy() {
			p.lazy = true
		}
		p.put(f)
	}
	return p
}

func (p *Plan) put(f field) {
	if f.number >= maxDense {
		if p.sparse == nil {
			p.sparse = map[protowire.Number]*field{}
		}
		p.sparse[f.number] = &f
		return
	}
	for int(f.number) >= len(p.dense) {
		p.dense = append(p.dense, field{})
	}
	p.dense[f.number] = f
}

// find returns the field with a number, or nil.
func (p *Plan) find(number protowire.Number) *field {
	if int(number) < len(p.dense) {
		if f := &p.dense[number]; f.known {
			return f
		}
		return nil
	}
	return p.sparse[number]
}

func (b *builder) field(m protoreflect.Message, fd protoreflect.FieldDescriptor) field {
	f := field{known: true, number: fd.Number(), wire: wireOf(fd)}
	switch {
	case fd.IsMap():
		b.mapOf(&f, m, fd)
		return f
	case fd.IsList():
		f.elem, f.packs = elementOf(fd), isPackable(fd)
		if fd.Message() != nil {
			f.message = b.plan(m.NewField(fd).List().NewElement().Message())
			f.alloc = f.message.size
		}
		return f
	case fd.Message() != nil:
		f.message = b.plan(m.NewField(fd).Message())
		f.alloc = f.message.size
	}
	if fd.ContainingOneof() != nil || fd.HasPresence() && fd.Message() == nil {
		f.alloc += pointerTo
	}
	return f
}

// mapOf makes of a map a field that is a message of two fields, which has no place in a
// list.
func (b *builder) mapOf(f *field, m protoreflect.Message, fd protoreflect.FieldDescriptor) {
	key, value := b.field(m, fd.MapKey()), field{known: true, number: 2, wire: wireOf(fd.MapValue())}
	key.alloc = 0
	slot := elementOf(fd.MapKey()) + elementOf(fd.MapValue())
	f.alloc, f.first = mapEntry+mapSlot*slot, mapNew+8*slot
	if fd.MapValue().Message() != nil {
		value.message = b.plan(m.NewField(fd).Map().NewValue().Message())
		value.once = 1
		f.alloc += value.message.size
	}
	entry := &Plan{name: fd.Message().FullName(), discards: true}
	entry.put(key)
	entry.put(value)
	f.message = entry
}

func isDynamic(m protoreflect.Message) bool { return m.ProtoMethods() == nil }

// sizeOf returns what a new message takes.
func sizeOf(m protoreflect.Message) uint64 {
	if t := reflect.TypeOf(m.Interface()); !isDynamic(m) && t.Kind() == reflect.Pointer {
		return heap(uint64(t.Elem().Size()))
	}
	return heap(dynamicStruct)
}

func wireOf(fd protoreflect.FieldDescriptor) protowire.Type {
	switch fd.Kind() {
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind:
		return protowire.BytesType
	case protoreflect.GroupKind:
		return protowire.StartGroupType
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind, protoreflect.FloatKind:
		return protowire.Fixed32Type
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind, protoreflect.DoubleKind:
		return protowire.Fixed64Type
	case protoreflect.BoolKind, protoreflect.EnumKind, protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Uint32Kind,
		protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Uint64Kind:
	}
	return protowire.VarintType
}

func isPackable(fd protoreflect.FieldDescriptor) bool {
	wire := wireOf(fd)
	return wire != protowire.BytesType && wire != protowire.StartGroupType
}

// elementOf returns what a value takes in a list or a map, beside its contents.
func elementOf(fd protoreflect.FieldDescriptor) uint64 {
	switch fd.Kind() {
	case protoreflect.BoolKind:
		return 1
	case protoreflect.EnumKind, protoreflect.Int32Kind, protoreflect.Uint32Kind, protoreflect.Sint32Kind,
		protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind, protoreflect.FloatKind:
		return 4
	case protoreflect.StringKind:
		return 16
	case protoreflect.BytesKind:
		return 24
	case protoreflect.Int64Kind, protoreflect.Uint64Kind, protoreflect.Sint64Kind, protoreflect.Fixed64Kind,
		protoreflect.Sfixed64Kind, protoreflect.DoubleKind, protoreflect.MessageKind, protoreflect.GroupKind:
	}
	return 8
}
