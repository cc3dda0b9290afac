// Protoc-gen-parigot is a plugin of buf and protoc. For each protobuf service it
// writes the Go code that lets a WebAssembly guest call an implementation in
// its host.
//
// With buf, in buf.gen.yaml, beside protoc-gen-go, which writes the messages:
//
//	version: v2
//	plugins:
//	  - local: protoc-gen-go
//	    out: gen
//	    opt: paths=source_relative
//	  - local: protoc-gen-parigot
//	    out: gen
//	    opt: paths=source_relative
//
// With protoc:
//
//	protoc --go_out=gen --go_opt=paths=source_relative \
//	  --parigot_out=gen --parigot_opt=paths=source_relative queue/v1/queue.proto
//
// # Files
//
// For queue/v1/queue.proto with the Go package queuev1 these files come out,
// in the package queuev1parigot:
//
//   - queue/v1/queuev1parigot/queue_parigot.pb.go: the interface QueueServer,
//     which plugins, guests that serve and fakes implement, names and ids, for
//     every target.
//   - queue/v1/queuev1parigot/queue_host_parigot.pb.go: the client QueueClient,
//     and RegisterQueue, which gives an implementation to an engine, for every
//     target but wasip1.
//   - queue/v1/queuev1parigot/queue_guest_parigot.pb.go: the client QueueClient,
//     LocateQueue, and RegisterQueue and ServeQueue for guests that serve their
//     host or other guests, for wasip1.
//
// A file without services has no output.
//
// # Implementations
//
// With the parameter impl=DIR the plugin writes DIR/impl_queue.go instead: the
// start of an implementation, to be filled in by hand. Run again when the
// service has got new methods, it adds those that are missing and changes
// nothing else. With guest_impl=DIR it does the same for a guest that serves. Both
// need an entry of their own whose out is the working directory and whose
// strategy is all, in a template that does not clean:
//
//   - local: protoc-gen-parigot
//     out: .
//     opt: impl=internal/queue
//     strategy: all
//
// docs/generator.md describes the parameters and what becomes of proto
// features; protoc-gen-parigot --help lists the parameters.
package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/pluginpb"

	"github.com/iansmith/parigot/internal/gen"
	"github.com/iansmith/parigot/internal/version"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is main with everything it touches. It returns the exit code.
func run(args []string, stdin *os.File, stdout, stderr io.Writer) int {
	if len(args) > 0 {
		return command(args, stdout, stderr)
	}
	if isTerminal(stdin) {
		_, _ = fmt.Fprintln(stderr, "protoc-gen-parigot: a plugin of buf and protoc, which send it a request on its standard input; see protoc-gen-parigot --help")
		return 1
	}
	if err := plugin(stdin, stdout, stderr); err != nil {
		_, _ = fmt.Fprintln(stderr, "protoc-gen-parigot:", err)
		return 1
	}
	return 0
}

// command handles a command line. buf and protoc give none.
func command(args []string, stdout, stderr io.Writer) int {
	switch {
	case len(args) == 1 && args[0] == "--version":
		_, _ = fmt.Fprintf(stdout, "protoc-gen-parigot %s (parigot %s)\n", gen.Version, version.Text())
		return 0
	case len(args) == 1 && (args[0] == "--help" || args[0] == "-h"):
		_, _ = fmt.Fprint(stdout, usage())
		return 0
	}
	_, _ = fmt.Fprintf(stderr, "protoc-gen-parigot: unexpected argument %q\n\n%s", args[0], usage())
	return 1
}

// isTerminal reports whether a person would have to type the request.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// plugin answers one request.
func plugin(in io.Reader, out, notes io.Writer) error {
	wire, err := io.ReadAll(in)
	if err != nil {
		return fmt.Errorf("cannot read the request: %w", err)
	}
	request := new(pluginpb.CodeGeneratorRequest)
	if err := proto.Unmarshal(wire, request); err != nil {
		return fmt.Errorf("standard input holds no request of buf or protoc: %w", err)
	}
	where, err := workspace()
	if err != nil {
		return err
	}
	result, err := gen.Generate(request, where)
	if err != nil {
		return err
	}
	for _, note := range result.Notes {
		_, _ = fmt.Fprintln(notes, "protoc-gen-parigot:", note)
	}
	return write(out, result.Response)
}

// write encodes a response, one file after the other: messages that follow one another are
// one message with the parts of all. The whole response at once would be as much memory again.
func write(out io.Writer, response *pluginpb.CodeGeneratorResponse) error {
	files := response.GetFile()
	response.File = nil
	parts := []*pluginpb.CodeGeneratorResponse{response}
	for _, file := range files {
		parts = append(parts, &pluginpb.CodeGeneratorResponse{File: []*pluginpb.CodeGeneratorResponse_File{file}})
	}
	var wire []byte
	for _, part := range parts {
		var err error
		if wire, err = (proto.MarshalOptions{}).MarshalAppend(wire[:0], part); err != nil {
			return fmt.Errorf("cannot encode the response: %w", err)
		}
		if _, err := out.Write(wire); err != nil {
			return err
		}
	}
	return nil
}

// workspace returns the working directory and the module around it. Without a go.mod
// that is the working directory, too.
func workspace() (gen.Workspace, error) {
	wd, err := os.Getwd()
	if err != nil {
		return gen.Workspace{}, err
	}
	if wd, err = filepath.EvalSymlinks(wd); err != nil {
		return gen.Workspace{}, err
	}
	top, module := filepath.VolumeName(wd)+string(filepath.Separator), wd
	for at := wd; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
			module = at
			break
		}
		if at == filepath.Dir(at) {
			break
		}
	}
	root, err := filepath.Rel(top, module)
	if err != nil {
		return gen.Workspace{}, err
	}
	dir, err := filepath.Rel(module, wd)
	return gen.Workspace{FS: os.DirFS(top), Module: filepath.ToSlash(root), Dir: filepath.ToSlash(dir)}, err
}
