// Package work is what all sides of the benchmark do: the message that they send, and
// what they look at of the answer.
package work

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// Queue is the name of the queue in each request.
const Queue = "orders.created"

// Tags returns the tags of each request.
func Tags() []string { return []string{"region=eu", "tenant=4711", "priority=high"} }

var payloads sync.Map // by size

// Payload returns a payload of so many bytes, always the same one. Do not change it.
func Payload(size int) []byte {
	if b, ok := payloads.Load(size); ok {
		return b.([]byte)
	}
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i)
	}
	payloads.Store(size, b)
	return b
}

// Answer is a response of any generated type.
type Answer interface {
	GetId() uint64
	GetPayload() []byte
	GetSeq() uint64
	GetTags() []string
}

// Check looks at an answer as a program does that uses it.
func Check(a Answer, size int, seq uint64) error {
	payload, tags := a.GetPayload(), a.GetTags()
	ok := a.GetId() != 0 && a.GetSeq() == seq && len(payload) == size && payload[size-1] == byte(size-1) &&
		len(tags) == 3 && tags[2] == "priority=high"
	if !ok {
		return fmt.Errorf("an answer to message %d of %d bytes is wrong: id %d, message %d of %d bytes, tags %q",
			seq, size, a.GetId(), a.GetSeq(), len(payload), tags)
	}
	return nil
}

var last atomic.Uint64

// NextID returns the id of an answer.
func NextID() uint64 { return last.Add(1) }
