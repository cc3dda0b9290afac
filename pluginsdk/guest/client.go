package guest

// ClientOption changes what a generated client does. See [Borrowed].
type ClientOption interface{ applyClient(c *Client) }

type clientOption func(c *Client)

func (o clientOption) applyClient(c *Client) { o(c) }

// Borrowed makes a client whose responses are good until its next call, and no longer:
// where a response has the method UnmarshalVTUnsafe of vtprotobuf, its strings and bytes
// are parts of the client's receive buffer, which the next call of the same client, of
// whatever method, overwrites. What is to live longer has to be copied before, with
// [strings.Clone] or [proto.Clone] say. Nothing in a response may be changed.
//
// Such a client is for one goroutine at a time; each goroutine may have its own. With the
// Into twins of its methods and messages of vtprotobuf its calls allocate nothing.
// Responses of methods that may block, and errors, own their data in any case.
func Borrowed() ClientOption {
	return clientOption(func(c *Client) { c.receive = new(buffer) })
}

// Client is what a generated client consists of. The zero value is one without options.
type Client struct {
	receive *buffer // nil: responses own their data
}

// NewClient returns a client with the given options. Generated code calls it.
func NewClient(opts ...ClientOption) Client {
	var c Client
	for _, o := range opts {
		o.applyClient(&c)
	}
	return c
}
