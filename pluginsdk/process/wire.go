package process

import (
	"strings"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/iansmith/parigot/internal/frame"
	"github.com/iansmith/parigot/internal/wirecost"
	"github.com/iansmith/parigot/pluginsdk/parigotpb/processpb"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// encodeStatus encodes an error for those who run the plugin, not for guests: all of its
// text. nil has no bytes.
func encodeStatus(err error) []byte {
	if err == nil {
		return nil
	}
	code := status.CodeOf(err)
	text := strings.TrimPrefix(err.Error(), status.Of(code).Error()+": ")
	p := &spb.Status{Code: int32(code), Message: clip(text)}
	b, err := proto.Marshal(p)
	if err != nil {
		return []byte{8, byte(status.Internal)} // the code alone
	}
	return b
}

// MaxControlDecoded bounds what a frame on the control connection takes when it is decoded,
// in bytes.
const MaxControlDecoded = 16 * frame.MaxControl

// decodeFrame decodes what the plugin has sent on the control connection. what is the
// subject of the error.
func decodeFrame(b []byte, m proto.Message, what string) error {
	return wirecost.Limit{Bytes: MaxControlDecoded, Name: "MaxControlDecoded"}.Unmarshal(b, m, what)
}

// decodeStatus is the inverse of encodeStatus. What does not decode is an error, too.
func decodeStatus(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	p := new(spb.Status)
	if err := decodeFrame(b, p, "why the plugin failed"); err != nil {
		return status.Wrap(status.Internal, err, "the plugin failed")
	}
	code := status.Code(p.GetCode())
	if code <= status.OK || code > status.Unauthenticated {
		code = status.Unknown
	}
	return status.Error(code, p.GetMessage())
}

// rawMessage returns a message with the given full name and encoding, whose type need not
// be known. It is nil when there is no name.
func rawMessage(name string, encoded []byte) (proto.Message, error) {
	if name == "" {
		return nil, nil
	}
	pkg, short := "", name
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		pkg, short = name[:i], name[i+1:]
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("config.proto"), Package: proto.String(pkg), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String(short)}},
	}, nil)
	if err != nil {
		return nil, status.Wrap(status.InvalidArgument, err, "a message cannot be called "+name)
	}
	m := dynamicpb.NewMessage(file.Messages().Get(0))
	// It has no fields, so it keeps all of them as unknown.
	if err := proto.Unmarshal(encoded, m); err != nil {
		return nil, status.Wrap(status.InvalidArgument, err, "the configuration does not decode")
	}
	return m, nil
}

// encodeReady tells the host what is registered.
func encodeReady(functions []function, dispatches bool) ([]byte, error) {
	ready := &processpb.ProcessReady{Dispatches: dispatches}
	var files fileSet
	for _, f := range functions {
		ready.Functions = append(ready.Functions, &processpb.ProcessFunction{
			Module: f.module, Name: f.Name, Method: f.Method,
			BudgetNs: int64(f.Budget), MayBlock: f.MayBlock, Deprecated: f.Deprecated,
			Idempotency: int32(f.Server.Method().Idempotency), Redacted: f.Server.Method().Redacted,
		})
		if f.Descriptor == nil {
			continue
		}
		if method := f.Descriptor(); method != nil {
			files.add(method.ParentFile())
		}
	}
	ready.Files = &files.set
	return proto.Marshal(ready)
}

// fileSet collects proto files, each after those that it imports.
type fileSet struct {
	set  descriptorpb.FileDescriptorSet
	seen map[string]bool
}

func (s *fileSet) add(file protoreflect.FileDescriptor) {
	if file == nil || file.IsPlaceholder() || s.seen[file.Path()] {
		return
	}
	if s.seen == nil {
		s.seen = map[string]bool{}
	}
	s.seen[file.Path()] = true
	for i := range file.Imports().Len() {
		s.add(file.Imports().Get(i).FileDescriptor)
	}
	s.set.File = append(s.set.File, protodesc.ToFileDescriptorProto(file))
}

// checkFiles checks the proto files that a plugin sends, even if it has none.
func checkFiles(set *descriptorpb.FileDescriptorSet) error {
	if set == nil {
		return status.Error(status.FailedPrecondition, "the plugin did not send its proto files: is its program a Parigot plugin?")
	}
	return wirecost.CheckFiles(set)
}

// openFiles returns the files of a set. A file may import what is missing.
func openFiles(set *descriptorpb.FileDescriptorSet) (*protoregistry.Files, error) {
	if err := checkFiles(set); err != nil {
		return nil, err
	}
	files, err := protodesc.FileOptions{AllowUnresolvable: true}.NewFiles(set)
	if err != nil {
		return nil, status.Wrap(status.InvalidArgument, err, "the plugin's proto files are broken")
	}
	return files, nil
}

// methodIn returns a function that looks for a method in files.
func methodIn(files *protoregistry.Files, fullName string) func() protoreflect.MethodDescriptor {
	return func() protoreflect.MethodDescriptor {
		found, err := files.FindDescriptorByName(protoreflect.FullName(fullName))
		if err != nil {
			return nil
		}
		method, _ := found.(protoreflect.MethodDescriptor)
		return method
	}
}
