package frame

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Magic starts every hello.
const Magic = "PARIGOT\x00"

// Version is the version of the frames. It changes when a program that knows only the
// last one would misunderstand them.
const Version = 1

// maxPeerName bounds the name in a hello, in bytes.
const maxPeerName = 256

// Greeting is the payload of the frame Hello.
type Greeting struct {
	Version     uint32
	MaxRequest  uint32 // bytes of a request that the host sends, or the plugin takes
	MaxResponse uint32 // bytes of a response that the plugin sends, or the host takes
	Name        string // who it is, for people
}

// Append appends the payload.
func (g Greeting) Append(b []byte) []byte {
	b = append(b, Magic...)
	b = binary.LittleEndian.AppendUint32(b, g.Version)
	b = binary.LittleEndian.AppendUint32(b, g.MaxRequest)
	b = binary.LittleEndian.AppendUint32(b, g.MaxResponse)
	return append(b, g.Name[:min(len(g.Name), maxPeerName)]...)
}

// ReadGreeting is the inverse of [Greeting.Append]. Of another version it reads only
// that, and the name.
func ReadGreeting(b []byte) (Greeting, error) {
	const size = len(Magic) + 12
	if len(b) < size || string(b[:len(Magic)]) != Magic {
		return Greeting{}, errors.New("it does not start with the magic bytes of a Parigot plugin")
	}
	if len(b) > size+maxPeerName {
		return Greeting{}, errors.New("its name is too long")
	}
	f := b[len(Magic):]
	return Greeting{
		Version:     binary.LittleEndian.Uint32(f),
		MaxRequest:  binary.LittleEndian.Uint32(f[4:]),
		MaxResponse: binary.LittleEndian.Uint32(f[8:]),
		Name:        strings.ToValidUTF8(string(b[size:]), "?"),
	}, nil
}

// CallSize is the number of bytes of a call's payload before its metadata.
const CallSize = 40

// CallHead is the payload of the frame Call, but for the request.
type CallHead struct {
	Seq      uint64
	IDHigh   uint64 // of the instance that calls; both halves 0: none
	IDLow    uint64
	Timeout  time.Duration // 0: none; what is over has at least 1 ns
	Function uint32
	Metadata []byte // an encoded CallHeader, of which the metadata count
}

// Append appends the payload without its request.
func (c CallHead) Append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, c.Seq)
	b = binary.LittleEndian.AppendUint64(b, c.IDHigh)
	b = binary.LittleEndian.AppendUint64(b, c.IDLow)
	b = binary.LittleEndian.AppendUint64(b, uint64(c.Timeout))
	b = binary.LittleEndian.AppendUint32(b, c.Function)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(c.Metadata)))
	return append(b, c.Metadata...)
}

// ReadCall is the inverse of [CallHead.Append]. The request is the rest of b.
func ReadCall(b []byte) (c CallHead, request []byte, err error) {
	if len(b) < CallSize {
		return c, nil, fmt.Errorf("a call has %d bytes, want at least %d", len(b), CallSize)
	}
	c = CallHead{
		Seq:      binary.LittleEndian.Uint64(b),
		IDHigh:   binary.LittleEndian.Uint64(b[8:]),
		IDLow:    binary.LittleEndian.Uint64(b[16:]),
		Timeout:  time.Duration(binary.LittleEndian.Uint64(b[24:])),
		Function: binary.LittleEndian.Uint32(b[32:]),
	}
	n := binary.LittleEndian.Uint32(b[36:])
	rest := b[CallSize:]
	switch {
	case uint64(n) > uint64(len(rest)):
		return c, nil, fmt.Errorf("the metadata of a call have %d bytes, of %d", n, len(rest))
	case c.Timeout < 0:
		return c, nil, errors.New("the timeout of a call is negative")
	}
	c.Metadata = rest[:n:n]
	return c, rest[n:], nil
}

// ResultSize is the number of bytes of a result's payload before its body.
const ResultSize = 16

// ResultHead is the payload of the frame Result, but for the body.
type ResultHead struct {
	Seq       uint64
	Code      int32
	Incidents uint32 // that were logged for the call
}

// Put writes the payload to the start of b, which has at least [ResultSize] bytes.
func (r ResultHead) Put(b []byte) {
	binary.LittleEndian.PutUint64(b, r.Seq)
	binary.LittleEndian.PutUint32(b[8:], uint32(r.Code))
	binary.LittleEndian.PutUint32(b[12:], r.Incidents)
}

// ReadResult is the inverse of [ResultHead.Put]. b has at least [ResultSize] bytes.
func ReadResult(b []byte) ResultHead {
	return ResultHead{
		Seq:       binary.LittleEndian.Uint64(b),
		Code:      int32(binary.LittleEndian.Uint32(b[8:])),
		Incidents: binary.LittleEndian.Uint32(b[12:]),
	}
}

// CancelSize is the number of bytes of a cancellation's payload.
const CancelSize = 16

// Cancellation is the payload of the frame Cancel.
type Cancellation struct {
	Connection uint32 // in the order in which they were handed over, from 0
	Seq        uint64
}

// Append appends the payload.
func (c Cancellation) Append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, c.Connection)
	b = binary.LittleEndian.AppendUint32(b, 0)
	return binary.LittleEndian.AppendUint64(b, c.Seq)
}

// ReadCancel is the inverse of [Cancellation.Append].
func ReadCancel(b []byte) (Cancellation, error) {
	if len(b) != CancelSize {
		return Cancellation{}, fmt.Errorf("a cancellation has %d bytes, want %d", len(b), CancelSize)
	}
	return Cancellation{Connection: binary.LittleEndian.Uint32(b), Seq: binary.LittleEndian.Uint64(b[8:])}, nil
}

// AppendSeq appends the sequence number that starts the payloads of GuestStarted,
// GuestEnded and Dispatch.
func AppendSeq(b []byte, seq uint64) []byte { return binary.LittleEndian.AppendUint64(b, seq) }

// ReadSeq is the inverse of [AppendSeq]. rest is what follows.
func ReadSeq(b []byte) (seq uint64, rest []byte, err error) {
	if len(b) < 8 {
		return 0, nil, errors.New("a sequence number is missing")
	}
	return binary.LittleEndian.Uint64(b), b[8:], nil
}
