package contract_test

import (
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/bufbuild/protocompile"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/iansmith/parigot/internal/contract"
	"github.com/iansmith/parigot/pluginsdk/parigotpb/contractpb"
)

const empty = "\x00asm\x01\x00\x00\x00"

// compile compiles proto files, by their paths, and returns the first service of main.proto.
func compile(tb testing.TB, files map[string]string) protoreflect.ServiceDescriptor {
	tb.Helper()
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{
		Accessor: protocompile.SourceAccessorFromMap(files),
	})}
	found, err := compiler.Compile(tb.Context(), "main.proto")
	require.NoError(tb, err)
	return found[0].Services().Get(0)
}

// service compiles a service with one method that takes Req and returns Resp, and what
// else the file declares.
func service(tb testing.TB, declarations string) protoreflect.ServiceDescriptor {
	tb.Helper()
	head := "syntax = \"proto3\";\n"
	if len(declarations) > 6 && declarations[:6] == "syntax" {
		head = ""
	}
	return compile(tb, map[string]string{"main.proto": head + declarations +
		"\nservice S { rpc Call(Req) returns (Resp); }\n"})
}

// contractOf makes the contract of a guest that calls all methods of a service.
func contractOf(tb testing.TB, s protoreflect.ServiceDescriptor, module *contractpb.Module) *contract.Contract {
	tb.Helper()
	m := contract.Built(s)
	m.Services[0].GoModule = module
	c, err := contract.Parse(m)
	require.NoError(tb, err)
	return c
}

// hostOf returns what a host knows that has the service.
func hostOf(s protoreflect.ServiceDescriptor) func(_, function string) protoreflect.MethodDescriptor {
	return func(_, function string) protoreflect.MethodDescriptor {
		return s.Methods().ByName(protoreflect.Name(function))
	}
}

// differences returns those that a guest of one service has with a host of the other.
func differences(tb testing.TB, guest, host protoreflect.ServiceDescriptor) (texts, rules []string) {
	tb.Helper()
	for _, p := range contractOf(tb, guest, nil).Compare(hostOf(host)) {
		texts, rules = append(texts, p.Difference), append(rules, p.Rule)
	}
	return texts, rules
}

// linked makes of a file what protoc-gen-go links into a program.
func linked(tb testing.TB, fd protoreflect.FileDescriptor) []byte {
	tb.Helper()
	f := protodesc.ToFileDescriptorProto(fd)
	f.SourceCodeInfo = nil
	b, err := proto.MarshalOptions{Deterministic: true, AllowPartial: true}.Marshal(f)
	require.NoError(tb, err)
	return b
}

// name encodes a name as the binary format does: its length, and its bytes.
func name(s string) []byte {
	return append(binary.AppendUvarint(nil, uint64(len(s))), s...)
}

// build builds a guest. Unlike package guesttest it has nothing compiled by wazero, as
// nobody runs it.
func build(t *testing.T, dir string) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "guest.wasm")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", file, dir)
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=")
	text, err := cmd.CombinedOutput()
	require.NoError(t, err, string(text))
	module, err := os.ReadFile(file)
	require.NoError(t, err)
	return module
}
