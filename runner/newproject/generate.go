package newproject

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/format"
	"os"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/cmd/protoc-gen-go/internal_gengo"
	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"

	"github.com/iansmith/parigot/internal/gen"
)

// bodyTemplate is the body of the method in the implementation.
const bodyTemplate = "greet.go.tmpl"

// generate returns what "buf generate" makes of the proto file in the project at dir, with
// the implementation filled in. So nobody has to build buf before the project runs.
func (p Project) generate(ctx context.Context, dir string, text []byte) (map[string][]byte, error) {
	file, err := p.compile(ctx, text)
	if err != nil {
		return nil, err
	}
	messages, err := p.messages(p.request(file, "module="+p.Module))
	if err != nil {
		return nil, err
	}
	code, err := gen.Generate(p.request(file, "module="+p.Module), gen.Workspace{})
	if err != nil {
		return nil, err
	}
	skeleton, err := gen.Generate(p.request(file, "impl="+p.Name), gen.Workspace{FS: os.DirFS(dir)})
	if err != nil {
		return nil, err
	}
	all := map[string][]byte{}
	for _, r := range []*pluginpb.CodeGeneratorResponse{messages, code.Response, skeleton.Response} {
		if r.GetError() != "" {
			return nil, errors.New(r.GetError())
		}
		for _, f := range r.GetFile() {
			all[f.GetName()] = []byte(f.GetContent())
		}
	}
	return all, p.fill(all)
}

// fill puts the body of the method into the implementation, in place of the stub's.
func (p Project) fill(all map[string][]byte) error {
	name := p.Name + "/impl_" + p.Name + ".go"
	body, err := p.render(bodyTemplate)
	if err != nil {
		return err
	}
	head, tail, found := bytes.Cut(all[name], []byte("\treturn nil, status.Error(status.Unimplemented,"))
	_, tail, ended := bytes.Cut(tail, []byte("\n"))
	if !found || !ended {
		return fmt.Errorf("the generator made no method to fill in in %s", name)
	}
	text, err := format.Source(bytes.Join([][]byte{head, body, tail}, nil))
	all[name] = text
	return err
}

// compile compiles the proto file.
func (p Project) compile(ctx context.Context, text []byte) (*descriptorpb.FileDescriptorProto, error) {
	compiler := protocompile.Compiler{
		Resolver: &protocompile.SourceResolver{
			Accessor: protocompile.SourceAccessorFromMap(map[string]string{p.protoPath(): string(text)}),
		},
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	found, err := compiler.Compile(ctx, p.protoPath())
	if err != nil {
		return nil, err
	}
	return protodesc.ToFileDescriptorProto(found[0]), nil
}

func (p Project) request(file *descriptorpb.FileDescriptorProto, parameter string) *pluginpb.CodeGeneratorRequest {
	return &pluginpb.CodeGeneratorRequest{
		FileToGenerate: []string{p.protoPath()},
		Parameter:      proto.String(parameter),
		ProtoFile:      []*descriptorpb.FileDescriptorProto{file},
	}
}

// messages is what protoc-gen-go makes.
func (p Project) messages(request *pluginpb.CodeGeneratorRequest) (*pluginpb.CodeGeneratorResponse, error) {
	plugin, err := protogen.Options{}.New(request)
	if err != nil {
		return nil, err
	}
	for _, f := range plugin.Files {
		if f.Generate {
			internal_gengo.GenerateFile(plugin, f)
		}
	}
	return plugin.Response(), nil
}
