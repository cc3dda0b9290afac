// Package syscallwire encodes and decodes what passes between guests and the kernel with each
// call: the messages CallRequest, CallResponse, NextRequest and NextResponse of
// syscall/v1/syscall.proto. A message in them, a request or a response, stays where it is:
// what is written is the few bytes before it. The result is protobuf like any other, but for
// lengths that always take five bytes, which each decoder reads.
package syscallwire

import (
	"encoding/binary"
	"unsafe"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

// How many bytes are written before a message.
const (
	CallPrefix   = 4*sizeFixed64 + sizeLength
	ResultPrefix = sizeLength
	AnswerPrefix = 2*sizeFixed64 + sizeFixed32 + sizeLength

	sizeFixed64 = 9 // with its tag
	sizeFixed32 = 5
	sizeLength  = 6
)

// The kinds of fields. A tag is a number and a kind.
const (
	fixed64 = byte(protowire.Fixed64Type)
	bytes   = byte(protowire.BytesType)
	fixed32 = byte(protowire.Fixed32Type)
)

func putFixed64(b []byte, number byte, v uint64) []byte {
	b[0] = number<<3 | fixed64
	binary.LittleEndian.PutUint64(b[1:], v)
	return b[sizeFixed64:]
}

// putLength writes the tag of a field and its length, in five bytes.
func putLength(b []byte, number byte, n int) {
	_ = b[sizeLength-1]
	b[0] = number<<3 | bytes
	for i := 1; i < sizeLength-1; i++ {
		b[i] = byte(n) | 0x80
		n >>= 7
	}
	b[sizeLength-1] = byte(n)
}

// Call is a CallRequest.
type Call struct {
	MethodHigh, MethodLow uint64
	Parent                uint64
	WaitNs                int64
	Param                 []byte // of what was decoded
}

// Put writes a call before its request, which has size bytes: to the first [CallPrefix] bytes of b.
func (c *Call) Put(b []byte, size int) {
	b = putFixed64(b, 1, c.MethodHigh)
	b = putFixed64(b, 2, c.MethodLow)
	b = putFixed64(b, 3, c.Parent)
	b = putFixed64(b, 4, uint64(c.WaitNs))
	putLength(b, 5, size)
}

// Read decodes a CallRequest. Param is a part of b. It is false for bytes that are none.
func (c *Call) Read(b []byte) bool {
	*c = Call{}
	return fields(b, func(tag, v uint64, text []byte) {
		switch tag {
		case 1<<3 | uint64(fixed64):
			c.MethodHigh = v
		case 2<<3 | uint64(fixed64):
			c.MethodLow = v
		case 3<<3 | uint64(fixed64):
			c.Parent = v
		case 4<<3 | uint64(fixed64):
			c.WaitNs = int64(v)
		case 5<<3 | uint64(bytes):
			c.Param = text
		}
	})
}

// PutResult writes what comes before the result of a call: to the first [ResultPrefix] bytes of b.
func PutResult(b []byte, size int) { putLength(b, 1, size) }

// Answer is a NextRequest.
type Answer struct {
	Call   uint64
	WaitNs int64
	Code   int32
	Body   []byte // of what was decoded
}

// Put writes an answer before its body, which has size bytes: to the first [AnswerPrefix] bytes
// of b.
func (a *Answer) Put(b []byte, size int) {
	b = putFixed64(b, 1, a.Call)
	b = putFixed64(b, 2, uint64(a.WaitNs))
	b[0] = 3<<3 | fixed32
	binary.LittleEndian.PutUint32(b[1:], uint32(a.Code))
	putLength(b[sizeFixed32:], 4, size)
}

// Read decodes a NextRequest. Body is a part of b. It is false for bytes that are none.
func (a *Answer) Read(b []byte) bool {
	*a = Answer{}
	return fields(b, func(tag, v uint64, text []byte) {
		switch tag {
		case 1<<3 | uint64(fixed64):
			a.Call = v
		case 2<<3 | uint64(fixed64):
			a.WaitNs = int64(v)
		case 3<<3 | uint64(fixed32):
			a.Code = int32(uint32(v))
		case 4<<3 | uint64(bytes):
			a.Body = text
		}
	})
}

// fields calls each with the tags of the fields of a message, and with what those have that are
// of a fixed size, or bytes. It is false for bytes that are no message.
func fields(b []byte, each func(tag, v uint64, text []byte)) bool {
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return false
		}
		b = b[n:]
		var v uint64
		var text []byte
		switch byte(kind) {
		case fixed64:
			v, n = protowire.ConsumeFixed64(b)
		case fixed32:
			var v32 uint32
			v32, n = protowire.ConsumeFixed32(b)
			v = uint64(v32)
		case bytes:
			text, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(number, kind, b)
		}
		if n < 0 {
			return false
		}
		each(uint64(number)<<3|uint64(kind), v, text)
		b = b[n:]
	}
	return true
}

// Delivery is a NextResponse.
type Delivery struct {
	Call                  uint64 // 0: a notice
	MethodHigh, MethodLow uint64
	CallerHigh, CallerLow uint64
	TimeoutNs             int64
	CallerName            string
	Metadata              map[string]string
	Param                 []byte

	Notice *syscallpb.NextResponse // with cancelled and exit alone; nil for a call
}

// Size returns the size of the encoded delivery.
func (d *Delivery) Size() int {
	if d.Notice != nil {
		return proto.Size(d.Notice)
	}
	n := 6*sizeFixed64 + sizeLength + len(d.Param)
	if len(d.CallerName) > 0 {
		n += 1 + protowire.SizeBytes(len(d.CallerName))
	}
	for key, value := range d.Metadata {
		n += 1 + protowire.SizeBytes(sizeOfEntry(key, value))
	}
	return n
}

func sizeOfEntry(key, value string) int {
	return 2 + protowire.SizeBytes(len(key)) + protowire.SizeBytes(len(value))
}

// Put encodes the delivery into b, which has the length that Size returns.
func (d *Delivery) Put(b []byte) error {
	if d.Notice != nil {
		_, err := proto.MarshalOptions{UseCachedSize: true}.MarshalAppend(b[:0], d.Notice)
		return err
	}
	rest := putFixed64(b, 1, d.Call)
	rest = putFixed64(rest, 2, d.MethodHigh)
	rest = putFixed64(rest, 3, d.MethodLow)
	rest = putFixed64(rest, 4, d.CallerHigh)
	rest = putFixed64(rest, 5, d.CallerLow)
	putFixed64(rest, 6, uint64(d.TimeoutNs))
	b = b[:6*sizeFixed64]
	if len(d.CallerName) > 0 {
		b = protowire.AppendString(append(b, 7<<3|bytes), d.CallerName)
	}
	for key, value := range d.Metadata {
		b = protowire.AppendVarint(append(b, 8<<3|bytes), uint64(sizeOfEntry(key, value)))
		b = protowire.AppendString(append(b, 1<<3|bytes), key)
		b = protowire.AppendString(append(b, 2<<3|bytes), value)
	}
	n := len(b)
	b = b[:n+sizeLength]
	putLength(b[n:], 9, len(d.Param))
	_ = append(b, d.Param...)
	return nil
}

// ReadCall decodes a delivery that [Delivery.Put] has encoded. CallerName and Param are parts of
// b. It is false for one that is no call, or has metadata: then the message is to be decoded.
func (d *Delivery) ReadCall(b []byte) bool {
	if len(b) < 6*sizeFixed64+sizeLength || b[0] != 1<<3|fixed64 {
		return false
	}
	u64 := func(i int) uint64 { return binary.LittleEndian.Uint64(b[i*sizeFixed64+1:]) }
	d.Call, d.MethodHigh, d.MethodLow = u64(0), u64(1), u64(2)
	d.CallerHigh, d.CallerLow, d.TimeoutNs = u64(3), u64(4), int64(u64(5))
	b = b[6*sizeFixed64:]
	d.CallerName = ""
	if b[0] == 7<<3|bytes {
		name, n := protowire.ConsumeBytes(b[1:])
		if n < 0 {
			return false
		}
		d.CallerName, b = unsafe.String(unsafe.SliceData(name), len(name)), b[1+n:]
	}
	if len(b) < sizeLength || b[0] != 9<<3|bytes {
		return false
	}
	d.Param = b[sizeLength:]
	return true
}
