// Package syscallpb holds the messages of the kernel, syscall.v1, and its errors.
package syscallpb

import "github.com/iansmith/parigot/pluginsdk/status"

// canonicalOf is what the errors of the kernel are to who calls a service, and would
// be if a plugin served it. The others cannot be, and are INTERNAL.
var canonicalOf = map[KernelErr]status.Code{
	KernelErr_LocateError:        status.Unavailable,
	KernelErr_UnmarshalFailed:    status.InvalidArgument,
	KernelErr_NamespaceExhausted: status.ResourceExhausted,
	KernelErr_NotFound:           status.Unimplemented,
	KernelErr_DataTooLarge:       status.ResourceExhausted,
	KernelErr_CallerUnavailable:  status.Unavailable,
	KernelErr_DependencyCycle:    status.ResourceExhausted, // calls on behalf of calls
	KernelErr_NotReady:           status.Unavailable,
	KernelErr_WriteTimeout:       status.Unavailable,
	KernelErr_ChannelClosed:      status.Unavailable,
	KernelErr_AbortRequest:       status.Unavailable,
}

// Canonical gives an error of the kernel a canonical code, and keeps what the kernel
// called it as its cause, which [errors.Is] finds: so who calls a service sees the
// same codes whether a guest or a plugin serves it. Errors of contexts get their
// codes, other errors stay as they are.
func Canonical(err error) error {
	s, ok := status.From(err)
	switch {
	case !ok:
		return err
	case s.Enum() != KernelErr_NoError.Descriptor().FullName():
		return s
	}
	own := KernelErr(s.Number())
	code, ok := canonicalOf[own]
	if !ok {
		code = status.Internal
	}
	return status.Wrap(code, status.Of(own), s.Message())
}
