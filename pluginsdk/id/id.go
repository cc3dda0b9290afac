// Package id has typed 128-bit ids, so that the id of one thing cannot be used
// where the id of another is meant.
//
// A kind of id is an empty type with a name and a letter:
//
//	type QueueIdKind struct{}
//
//	func (QueueIdKind) Name() string { return "queue" }
//	func (QueueIdKind) Letter() byte { return 'q' }
//
//	type QueueId = id.Root[QueueIdKind]
//
// protoc-gen-parigot writes that for a proto file that says
//
//	option (parigot.v1.file).ids = {name: "queue", letter: "q"};
package id

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/iansmith/parigot/pluginsdk/parigotpb"
)

// Kind tells one sort of id from another. Its methods are called on the zero
// value.
type Kind interface {
	// Name is what the id names, in lower case, such as "queue".
	Name() string
	// Letter starts the printed form of an id.
	Letter() byte
}

// Root is an id of kind K. It is a value: copy it, compare it with ==, use it as
// a key of a map. The zero value names nothing.
type Root[K Kind] struct {
	high, low uint64
}

// New returns a random id: 128 bits from the system's source of secrets, so
// that nobody can guess one. Safe for concurrent use.
func New[K Kind]() Root[K] {
	var b [16]byte
	for {
		// Never fails: crypto/rand ends the program when the system has no
		// randomness to give.
		_, _ = rand.Read(b[:])
		id := From[K](binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:]))
		if !id.IsZero() {
			return id
		}
	}
}

// From returns the id with the given halves.
func From[K Kind](high, low uint64) Root[K] {
	return Root[K]{high: high, low: low}
}

// FromProto is the inverse of [Root.Proto]: the id that a message holds. nil is
// the zero value.
func FromProto[K Kind](p *parigotpb.Id) Root[K] {
	return From[K](p.GetHigh(), p.GetLow())
}

// Parse is the inverse of [Root.String]. Its error says what it expected.
func Parse[K Kind](s string) (Root[K], error) {
	var k K
	digits, ok := strings.CutPrefix(s, string(rune(k.Letter()))+"-")
	b, err := hex.DecodeString(digits)
	if !ok || err != nil || len(b) != 16 {
		return Root[K]{}, fmt.Errorf("id: %q is not a %s id: want %q and 32 hexadecimal digits",
			s, k.Name(), string(rune(k.Letter()))+"-")
	}
	return From[K](binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])), nil
}

// High returns the upper half.
func (r Root[K]) High() uint64 { return r.high }

// Low returns the lower half.
func (r Root[K]) Low() uint64 { return r.low }

// IsZero reports whether r names nothing.
func (r Root[K]) IsZero() bool { return r.high == 0 && r.low == 0 }

// Proto returns the id for a field of a message: a new message, or nil when r
// names nothing.
func (r Root[K]) Proto() *parigotpb.Id {
	if r.IsZero() {
		return nil
	}
	return &parigotpb.Id{High: r.high, Low: r.low}
}

// String returns the letter of the kind, a hyphen and 32 hexadecimal digits.
func (r Root[K]) String() string {
	var k K
	return fmt.Sprintf("%c-%016x%016x", k.Letter(), r.high, r.low)
}

// Short returns the letter and the last six digits: for reading, not for telling
// ids apart.
func (r Root[K]) Short() string {
	var k K
	return fmt.Sprintf("%c-%06x", k.Letter(), r.low&0xffffff)
}

// The kinds of the ids that Parigot itself gives out.
type (
	// HostKind is the kind of a [HostId].
	HostKind struct{}
	// ServiceKind is the kind of a [ServiceId].
	ServiceKind struct{}
	// MethodKind is the kind of a [MethodId].
	MethodKind struct{}
	// CallKind is the kind of a [CallId].
	CallKind struct{}
	// IncidentKind is the kind of an [IncidentId].
	IncidentKind struct{}
)

// Name returns "host".
func (HostKind) Name() string { return "host" }

// Letter returns 'h'.
func (HostKind) Letter() byte { return 'h' }

// Name returns "service".
func (ServiceKind) Name() string { return "service" }

// Letter returns 's'.
func (ServiceKind) Letter() byte { return 's' }

// Name returns "method".
func (MethodKind) Name() string { return "method" }

// Letter returns 'm'.
func (MethodKind) Letter() byte { return 'm' }

// Name returns "call".
func (CallKind) Name() string { return "call" }

// Letter returns 'c'.
func (CallKind) Letter() byte { return 'c' }

// Name returns "incident".
func (IncidentKind) Name() string { return "incident" }

// Letter returns 'i'.
func (IncidentKind) Letter() byte { return 'i' }

type (
	// HostId names a running guest instance: a host of services, in the words
	// of the kernel.
	HostId = Root[HostKind]
	// ServiceId names a service that some guest exports.
	ServiceId = Root[ServiceKind]
	// MethodId names a method of a service.
	MethodId = Root[MethodKind]
	// CallId names one call.
	CallId = Root[CallKind]
	// IncidentId names a failure inside the host: the guest sees the id, the
	// host's log has the failure.
	IncidentId = Root[IncidentKind]
)
