// protoc-gen-parigot
package main

import (
	"fmt"
	"io"
	"os"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/pluginpb"

	"github.com/iansmith/parigot/internal/gen"
)

func main() {
	b, _ := io.ReadAll(os.Stdin)
	req := &pluginpb.CodeGeneratorRequest{}
	if err := proto.Unmarshal(b, req); err != nil {
		panic(err)
	}
	r, err := gen.Generate(req, os.DirFS("."))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	out, _ := proto.Marshal(r.Response)
	os.Stdout.Write(out)
}
