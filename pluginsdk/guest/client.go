package guest

import (
	"sync/atomic"

	"google.golang.org/protobuf/proto"
)

// ClientOption changes what a generated client does. See [Borrowed].
type ClientOption interface{ applyClient(c *Client) }

type clientOption func(c *Client)

func (o clientOption) applyClient(c *Client) { o(c) }

// Borrowed makes a client whose responses are good until its next call, of whatever method,
// and no longer. Each method has one response, which its next call fills again. If that has
// the method UnmarshalVTUnsafe of vtprotobuf, its strings and bytes are parts of the
// client's receive buffer, which every call overwrites. Copy what is to live longer before,
// with [strings.Clone] or [proto.Clone] say. Do not change a response.
//
// Such a client is for one goroutine at a time; each goroutine may have its own. If the
// messages have the methods of vtprotobuf, its calls allocate nothing. Responses of methods
// that may block are new ones and own their data, and so do errors.
func Borrowed() ClientOption {
	return clientOption(func(c *Client) { c.borrowed = new(borrowing) })
}

// Client is what a generated client consists of. The zero value is one without options.
type Client struct {
	borrowed *borrowing // nil: responses own their data
}

// NewClient returns a client with the given options. Generated code calls it.
func NewClient(opts ...ClientOption) Client {
	var c Client
	for _, o := range opts {
		o.applyClient(&c)
	}
	return c
}

// borrowing is what a client with the option [Borrowed] uses for all of its calls.
type borrowing struct {
	receive   buffer
	responses []proto.Message // by the number of the method
}

// response returns the response that calls of m fill, or nil if there was none yet.
func (b *borrowing) response(m *Method) proto.Message {
	if m.number < len(b.responses) {
		return b.responses[m.number]
	}
	return nil
}

// lastNumber counts the methods that have a number.
var lastNumber atomic.Int32

// place returns where the response of a call of m goes: a message, and the buffer that it
// borrows from. Without b, and for a method that may block, it is new and owns its data.
func (b *borrowing) place(m *Method) (proto.Message, *buffer) {
	if b == nil || m.MayBlock {
		return m.New(), nil
	}
	if resp := b.response(m); resp != nil {
		return resp, &b.receive
	}
	if m.number == 0 {
		m.number = int(lastNumber.Add(1))
	}
	for len(b.responses) <= m.number {
		b.responses = append(b.responses, nil)
	}
	resp := m.New()
	b.responses[m.number] = resp
	return resp, &b.receive
}
