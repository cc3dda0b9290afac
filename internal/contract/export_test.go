package contract

import (
	"bytes"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/iansmith/parigot/internal/wasm"
	"github.com/iansmith/parigot/pluginsdk/parigotpb/contractpb"
)

// Built makes the contract of a guest that imports all methods of a service.
func Built(s protoreflect.ServiceDescriptor) *contractpb.Contract {
	f := &finder{
		services: map[protoreflect.FullName]protoreflect.ServiceDescriptor{s.FullName(): s},
		message:  &contractpb.Contract{AbiVersion: ABIVersion},
	}
	var imports []wasm.Import
	for i := range s.Methods().Len() {
		imports = append(imports, wasm.Import{Module: importModule(s), Name: string(s.Methods().Get(i).Name())})
	}
	f.calls(imports)
	f.finish()
	return f.message
}

// Canonical returns the canonical form of all methods of a service.
func Canonical(s protoreflect.ServiceDescriptor) string {
	var methods []protoreflect.MethodDescriptor
	for i := range s.Methods().Len() {
		methods = append(methods, s.Methods().Get(i))
	}
	var b bytes.Buffer
	writeCanonical(&b, methods)
	return b.String()
}

// FindFiles finds descriptors in memory.
func FindFiles(memory []byte) []*descriptorpb.FileDescriptorProto {
	files, _ := findFiles([]wasm.Piece{{Bytes: memory}})
	return files
}

// LinkFiles connects descriptors.
func LinkFiles(files []*descriptorpb.FileDescriptorProto) map[string]error {
	_, problems := linkFiles(files)
	return problems
}

// GoName returns the name of a service in Go.
var GoName = goName

// Reduced returns a service as a contract describes it.
func Reduced(c *Contract, service string) protoreflect.ServiceDescriptor {
	d, _ := c.files.FindDescriptorByName(protoreflect.FullName(service))
	s, _ := d.(protoreflect.ServiceDescriptor)
	return s
}

// Hash returns the hash of a service as a contract describes it.
func Hash(c *Contract, service string) []byte {
	var methods []protoreflect.MethodDescriptor
	for s := Reduced(c, service); len(methods) < s.Methods().Len(); {
		methods = append(methods, s.Methods().Get(len(methods)))
	}
	return hashOf(methods)
}
