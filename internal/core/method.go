// Package core serves calls. A call is one unary call of one method by one caller,
// whatever carries it: a wasm import or export, a process' socket, the kernel, or nothing
// at all. What is done before and after the messages is here, once.
package core

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/iansmith/parigot/internal/instance"
)

// Method is what servers and callers know of a method of a service. It is not changed once
// it is used.
type Method struct {
	// Service is the full name of the service, such as "file.v1.File".
	Service string
	// Name is the method's name in the proto file, such as "Open".
	Name string
	// FullName is both of them, such as "file.v1.File.Open".
	FullName string
	// Budget is how long a call may take. 0 means the budget of the engine, or none for a
	// method that may block; [NoBudget] means none.
	Budget time.Duration
	// MayBlock says that a call may wait for something other than the processor, so that
	// its caller should go on with other things.
	MayBlock bool
	// Borrow says that the server keeps nothing of a call: messages are used again, and
	// the request may lie in the memory of the caller.
	Borrow bool
	// Idempotency says what a second call with the same request does.
	Idempotency Idempotency
	// Deprecated marks a method that the proto file calls deprecated.
	Deprecated bool
	// Redacted says that a message has a field with the option debug_redact.
	Redacted bool
	// Descriptor returns the method as protobuf describes it, or nil. It may be nil itself.
	Descriptor func() protoreflect.MethodDescriptor
}

// NoBudget lets a call take as long as it wants.
const NoBudget time.Duration = -1

// BudgetOf returns how long a call may take that the guest of inst makes, or that the host makes
// to it: what the method allows, and else what the engine does. It is not positive if there is
// no limit. In a plugin's own process that is for the host to say, with the deadline.
func (m *Method) BudgetOf(inst *instance.State) time.Duration {
	switch {
	case inst.Remote:
		return 0
	case m.Budget != 0:
		return m.Budget
	case m.MayBlock:
		return NoBudget
	}
	return inst.Limits.Budget
}

// WarnIfSlow logs and counts a call that began at start if it has taken longer than its budget,
// which is none if it is not positive.
func WarnIfSlow(inst *instance.State, call string, start time.Time, budget time.Duration) {
	if budget <= 0 {
		return
	}
	if took := time.Since(start); took > budget {
		inst.Counters.Slow.Add(1)
		inst.Logger.Warn("slow call", "call", call, "guest", inst.Name, "took", took, "budget", budget)
	}
}

// Idempotency is what the proto file says, with idempotency_level, about calling a method a
// second time.
type Idempotency uint8

const (
	// IdempotencyUnknown promises nothing.
	IdempotencyUnknown Idempotency = iota
	// NoSideEffects is a call that changes nothing: its response may be cached.
	NoSideEffects
	// Idempotent is a call that may be repeated when its outcome is not known.
	Idempotent
)

// Conn is a client's way to whoever serves its methods.
type Conn interface {
	// Invoke calls m with req and decodes the response into resp, which is empty. The
	// deadline and the metadata of ctx go along, and when ctx ends the call does. Errors
	// are a status. It keeps neither req nor resp, and is safe for concurrent use.
	Invoke(ctx context.Context, m *Method, req, resp proto.Message) error
}
