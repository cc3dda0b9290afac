package pluginsdk

import "github.com/iansmith/parigot/internal/core"

// Service describes a service: its full Name, the import Module of its functions ("" means
// Name), and its Methods. Generated code has one of each, such as File_ServiceDesc.
type Service = core.Service

// ServiceOption changes how an implementation is registered. See [Borrowed] and [Into].
type ServiceOption = core.ServiceOption

// Borrowed is the promise of an implementation that its methods use their context, their
// request and whatever is in these until they return and no longer, strings
// and bytes of the request included, and change nothing in the request. What a method
// wants to keep it copies, with [strings.Clone] say. A response that it returns may have
// parts of the request in it.
//
// In exchange request and context serve the next call again, and strings and bytes of a
// request lie in the guest's memory, where the message has the
// method UnmarshalVTUnsafe of vtprotobuf. An implementation that breaks the promise sees
// the data of later calls, or memory that is gone. Together with [Into] a call allocates
// nothing.
//
// Without the option messages are new for each call and own their data: so it is with
// methods that may block in any case.
func Borrowed() ServiceOption { return func(c *core.ServiceConfig) { c.Borrowed = true } }

// Into has calls use the form of each method that fills a response:
//
//	func (p *Plugin) OpenInto(ctx context.Context, req *filev1.OpenRequest, resp *filev1.OpenResponse) error
//
// instead of Open. resp is empty, and not the method's any more when it returns. To register
// an implementation that lacks one of them, which are those of the generated FileIntoServer,
// is FAILED_PRECONDITION. A type that embeds the implementation to change Open has to change
// OpenInto.
func Into() ServiceOption { return func(c *core.ServiceConfig) { c.Into = true } }
