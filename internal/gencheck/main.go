// Command gencheck runs protoc-gen-parigot on a proto file, as buf does, and compares the answer
// with the files in the tree. It compiles the proto file itself, so nobody has to build buf for it.
//
//	gencheck PLUGIN PARAMETER FILE.proto FOLDER...
//
// FILE.proto and what it imports are looked for in the folders. It runs in the root of the repository.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/protoutil"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

func main() {
	if len(os.Args) < 5 {
		fmt.Fprintln(os.Stderr, "usage: gencheck PLUGIN PARAMETER FILE.proto FOLDER...")
		os.Exit(2) //nolint:forbidigo // the end of main
	}
	if err := run(context.Background(), os.Stdout, ".", os.Args[1], os.Args[2], os.Args[3], os.Args[4:]); err != nil {
		fmt.Fprintln(os.Stderr, "gencheck:", err)
		os.Exit(1) //nolint:forbidigo // the end of main
	}
}

// run compares with the files in tree.
func run(ctx context.Context, out io.Writer, tree, plugin, parameter, file string, folders []string) error {
	request, err := compile(ctx, file, folders)
	if err != nil {
		return err
	}
	request.Parameter = proto.String(parameter)
	response, err := generate(ctx, plugin, request)
	if err != nil {
		return err
	}
	for _, f := range response.GetFile() {
		text, err := os.ReadFile(filepath.Join(tree, filepath.FromSlash(f.GetName())))
		if err != nil {
			return err
		}
		if f.GetContent() != string(text) {
			return fmt.Errorf("%s is not what %s makes of %s: run make generate", f.GetName(), plugin, file)
		}
		_, _ = fmt.Fprintf(out, "%s: as in the tree\n", f.GetName())
	}
	return nil
}

// compile returns a request for file, with all that it imports before it.
func compile(ctx context.Context, file string, folders []string) (*pluginpb.CodeGeneratorRequest, error) {
	compiler := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: folders}),
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	found, err := compiler.Compile(ctx, file)
	if err != nil {
		return nil, err
	}
	return &pluginpb.CodeGeneratorRequest{FileToGenerate: []string{file}, ProtoFile: withImports(found[0], nil, map[string]bool{})}, nil
}

func withImports(file protoreflect.FileDescriptor, all []*descriptorpb.FileDescriptorProto, seen map[string]bool) []*descriptorpb.FileDescriptorProto {
	if seen[file.Path()] {
		return all
	}
	seen[file.Path()] = true
	for i := range file.Imports().Len() {
		all = withImports(file.Imports().Get(i).FileDescriptor, all, seen)
	}
	return append(all, protoutil.ProtoFromFileDescriptor(file))
}

// generate runs a plugin of buf and protoc.
func generate(ctx context.Context, plugin string, request *pluginpb.CodeGeneratorRequest) (*pluginpb.CodeGeneratorResponse, error) {
	wire, err := proto.Marshal(request)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, plugin)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(wire), os.Stderr
	if wire, err = cmd.Output(); err != nil {
		return nil, fmt.Errorf("run %s: %w", plugin, err)
	}
	response := new(pluginpb.CodeGeneratorResponse)
	if err := proto.Unmarshal(wire, response); err != nil {
		return nil, fmt.Errorf("the answer of %s: %w", plugin, err)
	}
	switch {
	case response.GetError() != "":
		return nil, errors.New(response.GetError())
	case len(response.GetFile()) == 0:
		return nil, fmt.Errorf("%s made no files of %v", plugin, request.GetFileToGenerate())
	}
	return response, nil
}
