package core

import (
	"context"

	"github.com/tetratelabs/wazero/api"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Service describes a service. Generated code has a variable of each, which nobody changes.
type Service struct {
	// Name is the full name of the service, such as "file.v1.File".
	Name string
	// Module is the import module of its functions; "" means Name.
	Module string
	// Descriptor returns the service as protobuf describes it, or nil. It may be nil itself.
	Descriptor func() protoreflect.ServiceDescriptor
	// Methods are the methods in the order of the proto file. None is allowed.
	Methods []MethodDesc
}

// MethodDesc describes a method of a [Service].
type MethodDesc struct {
	Method
	// Func is the name of the imported function; "" means that of the method.
	Func string
	// Handler makes servers of implementations. It is nil where the method is described
	// and not served.
	Handler Handler
}

// Handler makes servers of implementations. Package parigotimpl makes one of a method.
type Handler interface {
	// Bind returns the server of m that calls impl. With into it calls the implementation's
	// form that fills a response. It fails when impl lacks that.
	Bind(impl any, m *Method, into bool) (Server, error)
}

// Server serves the calls of one method. It is safe for concurrent use.
type Server interface {
	// Method returns the method, which must not be changed.
	Method() *Method
	// Stack serves a call of a guest's import, by ABI v1.
	Stack(ctx context.Context, m api.Module, stack []uint64)
	// Bytes serves a call of any other carrier. ctx has the caller, see instance.NewContext.
	// The answer is a code, and the response or the status; it lies at the start of room if
	// it fits there.
	Bytes(ctx context.Context, request, room []byte) (code int32, body []byte)
}

// Bound returns the method at index i as a server of it needs it, and as its callers do.
func (s *Service) Bound(i int) Method {
	m := s.Methods[i].Method
	if m.Service == "" {
		m.Service = s.Name
	}
	if m.FullName == "" {
		m.FullName = m.Service + "." + m.Name
	}
	if describe := s.Descriptor; m.Descriptor == nil && describe != nil {
		m.Descriptor = func() protoreflect.MethodDescriptor {
			if d := describe(); d != nil {
				return d.Methods().ByName(protoreflect.Name(m.Name))
			}
			return nil
		}
	}
	return m
}

// ImportModule returns the import module of the service's functions.
func (s *Service) ImportModule() string {
	if s.Module != "" {
		return s.Module
	}
	return s.Name
}

// Import returns the name of the imported function.
func (m *MethodDesc) Import() string {
	if m.Func != "" {
		return m.Func
	}
	return m.Name
}

// ServiceConfig is how an implementation is registered.
type ServiceConfig struct {
	Borrowed bool // its methods keep nothing of a call
	Into     bool // it has the form of its methods that fills a response
}

// ServiceOption changes a [ServiceConfig].
type ServiceOption func(*ServiceConfig)
