package wirecost

import (
	"slices"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// Scan is [Plan.Cost] that scans all messages: the estimate is as close as can be.
func (p *Plan) Scan(b []byte, limit uint64) (uint64, error) {
	s, _ := scanners.Get().(*scanner)
	*s = scanner{cost: p.begin, limit: limit, lists: s.lists[:0]}
	s.message(p, b, 0, 0)
	cost, err := s.cost, s.err
	if cap(s.lists) <= keptLists {
		scanners.Put(s)
	}
	return cost, err
}

// scanner scans one message. Whatever a decoder might take for a field has to be counted,
// so the scan fails at what is malformed, and nothing is decoded then.
type scanner struct {
	cost, limit uint64
	depth       int
	lists       []list // of the messages that are open, outer ones first
	err         error
}

// keptLists is how many lists a scanner has room for that is used again.
const keptLists = 4096

var scanners = sync.Pool{New: func() any { return &scanner{lists: make([]list, 0, 64)} }}

// list is a list of the message, as far as it is scanned. The last of a message is its
// unknown fields. Its capacity is the least that it may have.
type list struct{ len, cap uint64 }

func (s *scanner) take(n uint64) {
	if s.cost += n; s.cost > s.limit {
		s.fail(ErrTooLarge)
	}
}

func (s *scanner) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

// message scans a message. It may go on one that was scanned before, of which nobody knows
// more than that no list of it has more than before elements. group is the number of the
// group that b starts with, or 0: then all of b is the message. It returns what follows.
func (s *scanner) message(p *Plan, b []byte, before int, group protowire.Number) (rest []byte) {
	if s.depth++; s.depth > MaxDepth {
		s.fail(ErrTooDeep)
		return nil
	}
	first := len(s.lists)
	s.lists = slices.Grow(s.lists, p.lists+1)[:first+p.lists+1]
	for i := first; i < len(s.lists); i++ {
		s.lists[i] = list{uint64(before), uint64(before)}
	}
	if p.lazy {
		s.take(4*uint64(len(b)) + 256)
	}
	m := scanned{plan: p, first: first, before: before, size: len(b)}
	for len(b) > 0 && s.err == nil {
		number, wire, n := protowire.ConsumeTag(b)
		if n < 0 {
			s.fail(ErrMalformed)
			return nil
		}
		if wire == protowire.EndGroupType {
			if number != group {
				s.fail(ErrMalformed)
			}
			group, b = 0, b[n:]
			break
		}
		b = s.field(&m, b, number, wire, n)
	}
	if group != 0 {
		s.fail(ErrMalformed)
	}
	s.lists = s.lists[:first]
	s.depth--
	return b
}

// scanned is a message that is being scanned.
type scanned struct {
	plan   *Plan
	first  int    // of its lists
	before int    // see message
	size   int    // of its bytes, and what follows a group
	seen   uint64 // the bits of the messages that it has
}

// field scans a field of m, which b starts with, and returns what follows.
func (s *scanner) field(m *scanned, b []byte, number protowire.Number, wire protowire.Type, tag int) (rest []byte) {
	f := m.plan.find(number)
	if f == nil && m.plan.extendable {
		f = extensionOf(m.plan.name, number)
	}
	body := b[tag:]
	switch {
	case f == nil:
		return s.unknown(m, b, number, wire, tag)
	case wire != f.wire && (!f.packs || wire != protowire.BytesType):
		s.take(f.alloc + f.first) // the decoder may have begun with it
		return s.unknown(m, b, number, wire, tag)
	case wire == protowire.StartGroupType:
		return s.message(f.message, body, s.enter(m, f, len(b)), number)
	case wire != protowire.BytesType:
		n := protowire.ConsumeFieldValue(number, wire, body)
		if n < 0 {
			s.fail(ErrMalformed)
			return nil
		}
		s.value(m, f)
		return body[n:]
	}
	content, n := protowire.ConsumeBytes(body)
	switch {
	case n < 0:
		s.fail(ErrMalformed)
		return nil
	case f.message != nil:
		s.message(f.message, content, s.enter(m, f, len(b)), 0)
	case f.packs:
		s.packed(m, f, content)
	default:
		s.value(m, f)
		s.take(heap(uint64(len(content))))
	}
	return body[n:]
}

// value counts a value without its contents.
func (s *scanner) value(m *scanned, f *field) {
	if f.elem > 0 {
		s.grow(&s.lists[m.first+f.list], 1, f.elem)
	}
	s.take(f.alloc)
}

// enter counts a message within m, and returns how many elements its lists may have.
// left is what is left of m.
func (s *scanner) enter(m *scanned, f *field, left int) (before int) {
	s.value(m, f)
	isFirst := f.once != 0 && m.seen&f.once == 0
	m.seen |= f.once
	switch {
	case f.message.discards && isFirst:
		s.take(f.first)
		return 0
	case f.elem > 0 || f.message.discards || m.plan.discards:
		return 0 // it is a new one
	case isFirst:
		return m.before
	}
	return m.before + m.size - left
}

// packed counts a packed list.
func (s *scanner) packed(m *scanned, f *field, content []byte) {
	var n uint64
	switch f.wire { //nolint:exhaustive // all others are varints
	case protowire.Fixed32Type:
		n = uint64(len(content)) / 4
	case protowire.Fixed64Type:
		n = uint64(len(content)) / 8
	default:
		for _, c := range content {
			if c < 0x80 {
				n++
			}
		}
	}
	if n == 0 {
		return
	}
	if f.elem == 0 { // an extension
		s.take(f.alloc + n*growth*8)
		return
	}
	l := &s.lists[m.first+f.list]
	if l.len == 0 {
		s.take(newList + heap(n*f.elem))
	} else {
		// The decoder makes a new list each time.
		s.take(heap(mostCap(l.len+n) * f.elem))
	}
	l.len += n
	l.cap = l.len
	s.take(n * f.alloc)
}

// unknown counts a field that nobody knows, which is kept as it is.
func (s *scanner) unknown(m *scanned, b []byte, number protowire.Number, wire protowire.Type, tag int) (rest []byte) {
	n := protowire.ConsumeFieldValue(number, wire, b[tag:])
	if n < 0 {
		s.fail(ErrMalformed)
		return nil
	}
	if !m.plan.discards {
		l := &s.lists[m.first+m.plan.lists]
		s.grow(l, uint64(tag), 1) // it is appended in two steps
		s.grow(l, uint64(n), 1)
	}
	return b[tag+n:]
}

// newList is what a list may take in addition that is behind a pointer.
const newList = 32

// grow appends n elements to a list.
func (s *scanner) grow(l *list, n, elem uint64) {
	need := l.len + n
	if need > l.cap {
		if l.cap == 0 {
			s.take(newList + heap(need*elem))
		} else {
			s.take(heap(mostCap(need) * elem))
		}
		l.cap = nextCap(l.cap, need)
	}
	l.len = need
}

type extensionKey struct {
	extends protoreflect.FullName
	number  protowire.Number
}

var extensions sync.Map // extensionKey → *field, only of those that there are

// extensionOf returns an extension of the program, or nil.
func extensionOf(extends protoreflect.FullName, number protowire.Number) *field {
	key := extensionKey{extends, number}
	if f, ok := extensions.Load(key); ok {
		return f.(*field)
	}
	xt, err := protoregistry.GlobalTypes.FindExtensionByNumber(extends, number)
	if err != nil {
		return nil
	}
	fd := xt.TypeDescriptor()
	f := &field{known: true, number: number, wire: wireOf(fd), alloc: extension, packs: fd.IsList() && isPackable(fd)}
	if fd.IsList() {
		f.alloc += growth * elementOf(fd)
	}
	if fd.Message() != nil {
		v := xt.New()
		if fd.IsList() {
			v = v.List().NewElement()
		}
		f.message = Of(v.Message().Interface())
		f.alloc += f.message.size
	}
	extensions.Store(key, f)
	return f
}
