// Package contract tells, before a guest runs, whether it and its host mean the same
// messages.
//
// A guest's module may have a custom section, "parigot.contract", that says which
// services and methods it uses, of which versions of which Go modules, and what their
// messages look like. [Of] finds all that in the module of a Go guest, [Append] adds
// the section, and [Read] reads it. [Contract.Compare] compares it with what a host has.
// "parigot guest build" does the first two, package eng the others: a guest whose
// messages do not fit the host's does not start.
//
// The section is what the guest says of itself. It guards against mistakes, and no
// guest gains anything by a wrong one.
package contract

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/iansmith/parigot/internal/wasm"
	"github.com/iansmith/parigot/internal/wirecost"
	"github.com/iansmith/parigot/pluginsdk/parigotpb/contractpb"
	"github.com/iansmith/parigot/pluginsdk/status"
)

const (
	// SectionName is the name of the custom section.
	SectionName = "parigot.contract"
	// MaxSize bounds the section's content, in bytes.
	MaxSize = 4 << 20
	// MaxServices bounds the services of a contract. The proto files in it have the limits of
	// package wirecost: MaxFiles, MaxDeclarations, MaxName and MaxNames.
	MaxServices = 1000
	// MaxMethods bounds the methods of all services of a contract.
	MaxMethods = 10_000
	// MaxDecoded bounds what the section takes when it is decoded, in bytes.
	MaxDecoded = 64 << 20
	// ABIVersion is the version of the ABI that contracts are written for, and the
	// newest that hosts of this version know.
	ABIVersion = 1
)

// Contract is what a guest was built for. It does not change, and is safe for
// concurrent use.
type Contract struct {
	message *contractpb.Contract
	files   *protoregistry.Files
}

// Parse checks a contract. Its error is INVALID_ARGUMENT for descriptors that do not hold
// together, or that lack what the services name, and RESOURCE_EXHAUSTED for a contract over
// a limit, which costs nothing then. m must not change afterwards.
func Parse(m *contractpb.Contract) (*Contract, error) {
	if err := checkLimits(m); err != nil {
		return nil, err
	}
	set := m.GetDescriptors()
	if set == nil {
		set = &descriptorpb.FileDescriptorSet{} // NewFiles takes no nil
	}
	files, err := protodesc.NewFiles(set)
	if err != nil {
		return nil, status.Wrap(status.InvalidArgument, err, "the descriptors")
	}
	c := &Contract{message: m, files: files}
	for _, s := range m.GetServices() {
		if err := c.checkService(s); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func checkLimits(m *contractpb.Contract) error {
	if n := len(m.GetServices()); n > MaxServices {
		return status.Errorf(status.ResourceExhausted, "it has %d services, more than %d", n, MaxServices)
	}
	methods := 0
	for _, s := range m.GetServices() {
		methods += len(s.GetMethods())
	}
	if methods > MaxMethods {
		return status.Errorf(status.ResourceExhausted, "its services have %d methods, more than %d", methods, MaxMethods)
	}
	return wirecost.CheckFiles(m.GetDescriptors())
}

func (c *Contract) checkService(s *contractpb.Service) error {
	if len(s.GetHash()) == 0 {
		return nil // nothing is known
	}
	for _, m := range s.GetMethods() {
		if c.method(s, m) == nil {
			return status.Errorf(status.InvalidArgument, "the descriptors lack the method %q of the service %q", m.GetName(), s.GetName())
		}
	}
	return nil
}

// method returns the descriptor of a method, or nil.
func (c *Contract) method(s *contractpb.Service, m *contractpb.Method) protoreflect.MethodDescriptor {
	d, err := c.files.FindDescriptorByName(protoreflect.FullName(s.GetName()))
	if err != nil {
		return nil
	}
	service, ok := d.(protoreflect.ServiceDescriptor)
	if !ok {
		return nil
	}
	return service.Methods().ByName(protoreflect.Name(m.GetName()))
}

// Proto returns the message. Do not change it.
func (c *Contract) Proto() *contractpb.Contract { return c.message }

// Read returns the contract of a module, or nil when it has none. A section that cannot
// be read, and more than one, is INVALID_ARGUMENT. One that takes too much when it is
// decoded, or whose contract is over a limit, is RESOURCE_EXHAUSTED.
func Read(module []byte) (*Contract, error) {
	content, err := section(module)
	if err != nil || content == nil {
		return nil, err
	}
	m := &contractpb.Contract{}
	if err := (wirecost.Limit{Bytes: MaxDecoded, Name: "MaxDecoded"}).Unmarshal(content, m, "the section "+SectionName); err != nil {
		return nil, err
	}
	c, err := Parse(m)
	if errors.Is(err, status.Of(status.ResourceExhausted)) {
		return nil, fmt.Errorf("the contract in the section %s is too large: %w", SectionName, err)
	}
	if err != nil {
		return nil, fmt.Errorf("the section %s is malformed: %w", SectionName, err)
	}
	return c, nil
}

// section returns the content of the section, or nil.
func section(module []byte) (content []byte, err error) {
	found := false
	for s, err := range wasm.Sections(module) {
		switch {
		case err != nil:
			return nil, status.Error(status.InvalidArgument, err.Error())
		case s.ID != wasm.SectionCustom || s.Name != SectionName:
			continue
		case found:
			return nil, status.Error(status.InvalidArgument, "the module has more than one section "+SectionName)
		case len(s.Content) > MaxSize:
			return nil, status.Errorf(status.InvalidArgument, "the section %s has %d bytes, more than %d",
				SectionName, len(s.Content), MaxSize)
		}
		content, found = s.Content, true
	}
	if found && content == nil {
		content = []byte{}
	}
	return content, nil
}

// Append returns a copy of the module that ends in the section. The errors are
// ALREADY_EXISTS when it has one, RESOURCE_EXHAUSTED when the contract is too large, and
// INVALID_ARGUMENT when module is none.
func Append(module []byte, c *Contract) ([]byte, error) {
	switch have, err := section(module); {
	case err != nil:
		return nil, err
	case have != nil:
		return nil, status.Error(status.AlreadyExists, "the module has a section "+SectionName)
	}
	content, err := proto.MarshalOptions{Deterministic: true}.Marshal(c.message)
	if err != nil {
		return nil, status.Wrap(status.Internal, err, "encode the contract")
	}
	if len(content) > MaxSize {
		return nil, status.Errorf(status.ResourceExhausted, "the contract has %d bytes, more than %d", len(content), MaxSize)
	}
	return wasm.AppendCustom(module, SectionName, content), nil
}
