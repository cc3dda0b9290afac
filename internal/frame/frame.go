// Package frame reads and writes the frames between a host and a plugin in a process
// of its own. docs/process.md describes them. Whatever is read is hostile: the other
// side may be broken.
package frame

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// HeaderSize is the number of bytes before the payload of a frame.
const HeaderSize = 8

// Kind says what a frame is.
type Kind uint8

// The kinds of frames on the control connection.
const (
	Hello   Kind = 1 // both
	Start   Kind = 2 // to the plugin: a ProcessStart
	Ready   Kind = 3 // to the host: a ProcessReady
	Failed  Kind = 4 // to the host: a google.rpc.Status
	Log     Kind = 5 // to the host: a ProcessLog
	Cancel  Kind = 6 // to the plugin
	Stop    Kind = 7 // to the plugin: nothing
	Stopped Kind = 8 // to the host: a google.rpc.Status
)

// The kinds of frames on the other connections, and the one that answers them all.
const (
	Call         Kind = 16
	GuestStarted Kind = 17 // a sequence number and a ProcessGuest
	GuestEnded   Kind = 18 // a sequence number and a ProcessGuest
	Dispatch     Kind = 19 // a sequence number and a ProcessDispatch
	Result       Kind = 24
)

// Description is the only frame of a program that describes itself.
const Description Kind = 32

// MaxControl bounds the payload of every frame on the control connection, in bytes.
const MaxControl = 4 << 20

// ErrTooLarge is the error of a frame that is larger than who reads it allows.
var ErrTooLarge = errors.New("the frame is too large")

// PutHeader writes the header of a frame whose payload has size bytes to the start of
// b, which has at least [HeaderSize].
func PutHeader(b []byte, kind Kind, size int) {
	binary.LittleEndian.PutUint32(b, uint32(size))
	binary.LittleEndian.PutUint32(b[4:], uint32(kind))
}

// ReadHeader is the inverse of [PutHeader]. It refuses payloads of more than limit bytes.
func ReadHeader(b []byte, limit int) (kind Kind, size int, err error) {
	n, k := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
	switch {
	case k == 0 || k > 0xff:
		return 0, 0, fmt.Errorf("%#x is no kind of frame", k)
	case uint64(n) > uint64(limit):
		return 0, 0, fmt.Errorf("%w: its payload has %d bytes, and may have %d", ErrTooLarge, n, limit)
	}
	return Kind(k), int(n), nil
}

// Append appends a frame.
func Append(b []byte, kind Kind, payload []byte) []byte {
	var header [HeaderSize]byte
	PutHeader(header[:], kind, len(payload))
	return append(append(b, header[:]...), payload...)
}

// Reader reads frames. It is for one goroutine.
type Reader struct {
	r      io.Reader
	limit  int
	buf    []byte // grows with the frames, up to limit
	lo, hi int    // what was read and not yet handed out
}

// The sizes of a reader's buffer: what it starts with, and what it does not keep
// once a frame that needed it is done with.
const (
	firstBuffer = 4 << 10
	keptBuffer  = 1 << 20
)

// NewReader returns a reader of frames whose payloads have at most limit bytes.
func NewReader(r io.Reader, limit int) *Reader {
	return &Reader{r: r, limit: limit, buf: make([]byte, firstBuffer)}
}

// Next reads a frame. The payload is valid until the next call. The error is [io.EOF]
// when there is no further frame, and [io.ErrUnexpectedEOF] when it ends early.
func (r *Reader) Next() (Kind, []byte, error) {
	if len(r.buf) > keptBuffer && r.lo == r.hi {
		r.buf, r.lo, r.hi = make([]byte, firstBuffer), 0, 0
	}
	if err := r.fill(HeaderSize); err != nil {
		return 0, nil, err
	}
	kind, size, err := ReadHeader(r.buf[r.lo:], r.limit)
	if err != nil {
		return 0, nil, err
	}
	if err := r.fill(HeaderSize + size); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, err
	}
	payload := r.buf[r.lo+HeaderSize : r.lo+HeaderSize+size]
	r.lo += HeaderSize + size
	return kind, payload, nil
}

// Extend returns payload, which is that of the frame read last, with size bytes behind
// it, for an answer that is written from there. All of it is valid until the next frame
// is read. It is nil when something of the next frame is there already.
func (r *Reader) Extend(payload []byte, size int) []byte {
	if r.lo != r.hi {
		return nil
	}
	start, end := r.hi-len(payload), r.hi+size
	if end > len(r.buf) {
		r.buf = append(r.buf[:r.hi], make([]byte, size)...)
	}
	return r.buf[start:end:end]
}

// fill has n bytes in the buffer. A large frame gets its memory as its bytes come, so
// that nobody gets it with a number.
func (r *Reader) fill(n int) error {
	if r.lo == r.hi {
		r.lo, r.hi = 0, 0
	}
	for r.hi-r.lo < n {
		if r.hi == len(r.buf) || r.lo+n > len(r.buf) && r.lo > 0 {
			r.makeRoom(n)
		}
		got, err := r.r.Read(r.buf[r.hi:])
		r.hi += got
		if err != nil && r.hi-r.lo < n {
			if errors.Is(err, io.EOF) && r.hi > r.lo {
				return io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return nil
}

// makeRoom moves what is left to the start of the buffer, and grows the buffer when it
// is full: to n bytes at most, or twice what has come.
func (r *Reader) makeRoom(n int) {
	have := r.hi - r.lo
	if have == len(r.buf) {
		bigger := make([]byte, min(n, max(2*have, firstBuffer)))
		copy(bigger, r.buf[r.lo:r.hi])
		r.buf = bigger
	} else {
		copy(r.buf, r.buf[r.lo:r.hi])
	}
	r.lo, r.hi = 0, have
}
