package eng_test

import (
	"context"
	"testing"

	"github.com/bufbuild/protocompile"
	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero/api"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/iansmith/parigot/internal/contract"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/parigotpb/contractpb"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// caller is a module that imports queue.v1.Queue.Send and Receive, and has a memory.
const caller = "\x00asm\x01\x00\x00\x00" +
	"\x01\x0c\x02\x60\x04\x7f\x7f\x7f\x7f\x01\x7e\x60\x00\x00" + // (4 × i32) -> i64, () -> ()
	"\x02\x30\x02\x0equeue.v1.Queue\x04Send\x00\x00\x0equeue.v1.Queue\x07Receive\x00\x00" +
	"\x03\x02\x01\x01" + "\x05\x03\x01\x00\x01" + "\x07\x0a\x01\x06_start\x00\x02" + "\x0a\x04\x01\x02\x00\x0b"

func queueService(t *testing.T, fields string) protoreflect.ServiceDescriptor {
	t.Helper()
	compiler := protocompile.Compiler{Resolver: &protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(map[string]string{
		"queue.proto": `syntax = "proto3"; package queue.v1;
			service Queue { rpc Send(SendRequest) returns (Msg); rpc Receive(Msg) returns (Msg); }
			message SendRequest { ` + fields + ` } message Msg {}`,
	})}}
	files, err := compiler.Compile(t.Context(), "queue.proto")
	require.NoError(t, err)
	return files[0].Services().Get(0)
}

// withContract adds the contract of a guest of the service to caller.
func withContract(t *testing.T, s protoreflect.ServiceDescriptor, change func(*contractpb.Contract)) []byte {
	t.Helper()
	m := &contractpb.Contract{
		AbiVersion:  contract.ABIVersion,
		Descriptors: &descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{protodesc.ToFileDescriptorProto(s.ParentFile())}},
		Services: []*contractpb.Service{{
			Name: "queue.v1.Queue", Module: "queue.v1.Queue", Calls: true, Hash: make([]byte, 32),
			GoModule: &contractpb.Module{Path: "example.com/queue", Version: "v1.2.0"},
			Methods:  []*contractpb.Method{{Name: "Receive", Function: "Receive"}, {Name: "Send", Function: "Send"}},
		}},
	}
	change(m)
	c, err := contract.Parse(m)
	require.NoError(t, err)
	module, err := contract.Append([]byte(caller), c)
	require.NoError(t, err)
	return module
}

// TestContract: a guest that was built for other messages does not start, and one error
// says all that is wrong.
func TestContract(t *testing.T) {
	t.Parallel()
	host := newHost(t)
	have := queueService(t, "string payload = 2; string name = 3;")
	asked := 0
	function := func(name string, descriptor protoreflect.MethodDescriptor) eng.Function {
		return eng.Function{
			Name: name, Call: func(_ context.Context, _ api.Module, _ []uint64) {},
			Descriptor: func() protoreflect.MethodDescriptor { asked++; return descriptor },
		}
	}
	keep := func(*contractpb.Contract) {}
	old := withContract(t, queueService(t, "bytes payload = 2; int32 name = 3;"), keep)

	before, err := host.Compile(t.Context(), "app", old)
	require.NoError(t, err)
	require.NotNil(t, before.Contract())
	require.ErrorContains(t, before.CheckImports(), "no plugin registered this module")
	require.NoError(t, host.Register(t.Context(), eng.HostModule{Name: "queue.v1.Queue", Functions: []eng.Function{
		function("Send", have.Methods().ByName("Send")), function("Receive", have.Methods().ByName("Receive")),
	}}))
	_, err = before.Run(t.Context())
	require.ErrorIs(t, err, status.Of(status.FailedPrecondition))
	require.EqualError(t, before.CheckImports(), `FAILED_PRECONDITION: guest "app" cannot start, 2 of its imports cannot be met:
  queue.v1.Queue.Send: it was built with queue.v1 of module example.com/queue v1.2.0, the host has another: field SendRequest.name (3) was int32, is string
  queue.v1.Queue.Send: it was built with queue.v1 of module example.com/queue v1.2.0, the host has another: field SendRequest.payload (2) was bytes, is string`)

	fits, err := host.Compile(t.Context(), "fits", withContract(t, queueService(t, "string body = 2; bytes more = 4;"), keep))
	require.NoError(t, err)
	asked = 0
	for range 3 {
		_, err = fits.Run(t.Context())
		require.NoError(t, err)
	}
	require.Equal(t, 2, asked, "what fitted once is not compared again")

	newer, err := host.Compile(t.Context(), "newer", withContract(t, have, func(m *contractpb.Contract) { m.AbiVersion = 2 }))
	require.NoError(t, err)
	require.ErrorContains(t, newer.CheckImports(), "it was built for version 2 of the ABI, and the host knows version 1")

	without, err := host.Compile(t.Context(), "without", []byte(caller))
	require.NoError(t, err)
	require.Nil(t, without.Contract())
	_, err = without.Run(t.Context())
	require.NoError(t, err)

	content, err := proto.Marshal(&contractpb.Contract{})
	require.NoError(t, err)
	section := append([]byte{0, byte(17 + len(content)), 16}, contract.SectionName...)
	section = append(section, content...)
	_, err = host.Compile(t.Context(), "twice", append(old, section...))
	require.ErrorIs(t, err, status.Of(status.InvalidArgument))
	require.ErrorContains(t, err, "more than one section parigot.contract")
}
