// Package abi holds what both sides of ABI v1 must agree on. docs/abi.md is its
// description.
package abi

import (
	"encoding/binary"
	"math"
)

// The import module of the functions that every guest may use, and their names.
const (
	Module = "parigot"
	Take   = "take"
	Header = "header"
	Await  = "await"
	Cancel = "cancel"
	// Request is the import by which a guest that serves takes a call's header and request.
	Request = "request"
	// TimeLeft is the import that tells how long the call that is served may still take.
	TimeLeft = "time_left"
)

// The exports of a guest that serves its host, see docs/abi.md.
const (
	// Offers lists the methods: () -> ptr<<32|len, their full names, each followed by a
	// newline. The position of a name is the method's number.
	Offers = "parigot.offers"
	// Serve serves a call: (call, method, header_len, request_len i32, timeout_ns i64) ->
	// the place of its [Record], or 0 when the call goes on.
	Serve = "parigot.serve"
	// Run lets calls go on: (cancel i32, timeout_ns i64) -> the place of the [Record] of a
	// call that has ended, or 0.
	Run = "parigot.run"
)

// MaxOffers is the size limit of what [Offers] lists, in bytes.
const MaxOffers = 1 << 20

// Place packs where the guest has put something for its host.
func Place(ptr, size uint32) uint64 { return uint64(ptr)<<32 | uint64(size) }

// SplitPlace is the inverse of [Place].
func SplitPlace(place uint64) (ptr, size uint32) { return uint32(place >> 32), uint32(place) }

// MaxHeader is the size limit of an encoded call header, in bytes.
const MaxHeader = 64 << 10

// Pending is the code of a call that goes on in the host. The length beside it
// is the call's handle.
const Pending int32 = math.MinInt32

// Completions is the file descriptor that a guest may poll for reading: it is
// readable while a finished call waits for await. It is far from the numbers that
// descriptors get otherwise.
const Completions = 1 << 30

// Result packs what a host function returns: a code, 0 for success, and the
// number of bytes of the response or of the status.
func Result(code int32, n uint32) uint64 {
	return uint64(uint32(code))<<32 | uint64(n)
}

// Split is the inverse of [Result].
func Split(result uint64) (code int32, n uint32) {
	return int32(uint32(result >> 32)), uint32(result)
}

// Wanted is the file descriptor that a guest in [Run] polls for reading: it is readable
// while the host wants Run to return.
const Wanted = Completions + 1

// RecordSize is the number of bytes that a [Record] takes before its body.
const RecordSize = 12

// Record tells of one finished call in what await delivers: the call's handle,
// its code, and the length of the response or the status that follows.
type Record struct {
	Handle uint32
	Code   int32
	Size   uint32
}

// Put writes r to the start of b, which has at least [RecordSize] bytes.
func (r Record) Put(b []byte) {
	binary.LittleEndian.PutUint32(b, r.Handle)
	binary.LittleEndian.PutUint32(b[4:], uint32(r.Code))
	binary.LittleEndian.PutUint32(b[8:], r.Size)
}

// ReadRecord is the inverse of [Record.Put].
func ReadRecord(b []byte) Record {
	return Record{
		Handle: binary.LittleEndian.Uint32(b),
		Code:   int32(binary.LittleEndian.Uint32(b[4:])),
		Size:   binary.LittleEndian.Uint32(b[8:]),
	}
}
