package contract_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/iansmith/parigot/internal/contract"
	"github.com/iansmith/parigot/internal/wasm"
	"github.com/iansmith/parigot/pluginsdk/parigotpb/contractpb"
	"github.com/iansmith/parigot/pluginsdk/status"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

// kernel is a service that is linked into the test.
var kernel = syscallpb.File_syscall_v1_syscall_proto.Services().ByName("Syscall")

// TestOf: what a guest uses is found in its module.
func TestOf(t *testing.T) {
	t.Parallel()
	module := build(t, "../../examples/queue/guest")
	c, notes, err := contract.Of(module)
	require.NoError(t, err)
	require.Empty(t, notes)
	m := c.Proto()
	require.Equal(t, "github.com/iansmith/parigot/examples/queue/guest", m.GetGoPackage())
	require.Regexp(t, "^go1", m.GetGoVersion())
	require.Equal(t, "github.com/iansmith/parigot", m.GetModules()[0].GetPath())
	require.Len(t, m.GetServices(), 1)
	s := m.GetServices()[0]
	require.Equal(t, "queue.v1.Queue", s.GetName())
	require.Equal(t, "github.com/iansmith/parigot", s.GetGoModule().GetPath())
	require.Equal(t, []bool{true, false, false}, []bool{s.GetCalls(), s.GetServes(), s.GetLocates()})
	var names []string
	for _, method := range s.GetMethods() {
		names = append(names, method.GetName())
	}
	require.Equal(t, []string{"CreateQueue", "Length", "Locate", "MarkDone", "Receive", "Send"}, names, "DeleteQueue is not linked")

	require.Equal(t, contract.Hash(c, "queue.v1.Queue"), s.GetHash(), "the reduced descriptors have the same hash")

	with, err := contract.Append(module, c)
	require.NoError(t, err)
	read, err := contract.Read(with)
	require.NoError(t, err)
	require.True(t, proto.Equal(m, read.Proto()))
	_, err = contract.Append(with, c)
	require.ErrorIs(t, err, status.Of(status.AlreadyExists))
}

// TestOfServing: one guest serves what another one locates.
func TestOfServing(t *testing.T) {
	t.Parallel()
	for guest, serves := range map[string]bool{"greeting": true, "hello": false} {
		c, _, err := contract.Of(build(t, "../../examples/syscall/guest/"+guest))
		require.NoError(t, err)
		services := c.Proto().GetServices()
		require.Len(t, services, 2)
		require.Equal(t, "greeting.v1.Greeting", services[0].GetName())
		require.Equal(t, []bool{false, serves, !serves},
			[]bool{services[0].GetCalls(), services[0].GetServes(), services[0].GetLocates()})
		require.Equal(t, "syscall.v1.Syscall", services[1].GetName())
		require.True(t, services[1].GetCalls())
		require.Empty(t, c.Compare(hostOf(kernel)), "the host has the same")
	}
}

// TestOfLocating: of a service that a guest only locates, it has the methods that are called.
func TestOfLocating(t *testing.T) {
	t.Parallel()
	c, _, err := contract.Of(build(t, "../../examples/syscall/testdata/locatingguest"))
	require.NoError(t, err)
	s := c.Proto().GetServices()[0]
	require.Equal(t, "kerneltest.v1.Worker", s.GetName())
	require.True(t, s.GetLocates())
	require.Len(t, s.GetMethods(), 1)
	require.Equal(t, "Hurry", s.GetMethods()[0].GetName())
	require.Equal(t, contract.Hash(c, "kerneltest.v1.Worker"), s.GetHash())
}

// TestOfUnknown: without descriptors there are the names.
func TestOfUnknown(t *testing.T) {
	t.Parallel()
	imports := "\x01\x03m.S\x04Call\x00\x00"
	module := empty + "\x01\x04\x01\x60\x00\x00" + "\x02" + string(rune(len(imports))) + imports
	c, notes, err := contract.Of([]byte(module))
	require.NoError(t, err)
	require.Len(t, notes, 2)
	require.Contains(t, notes[0], "there are no descriptors of m.S in the module")
	require.Contains(t, notes[1], "no build information of Go")
	require.Equal(t, "Call", c.Proto().GetServices()[0].GetMethods()[0].GetFunction())
	_, _, err = contract.Of([]byte("no module"))
	require.ErrorIs(t, err, status.Of(status.InvalidArgument))
}

func TestRead(t *testing.T) {
	t.Parallel()
	c := contractOf(t, service(t, "message Req { Req r = 1; } message Resp {}"), nil)
	good, err := contract.Append([]byte(empty), c)
	require.NoError(t, err)
	content, err := proto.Marshal(c.Proto())
	require.NoError(t, err)
	lacking, ok := proto.Clone(c.Proto()).(*contractpb.Contract)
	require.True(t, ok)
	lacking.Services[0].Methods[0].Name = "Other"
	lacks, err := proto.Marshal(lacking)
	require.NoError(t, err)
	broken, ok := proto.Clone(c.Proto()).(*contractpb.Contract)
	require.True(t, ok)
	broken.Descriptors.File[0].MessageType = nil
	incoherent, err := proto.Marshal(broken)
	require.NoError(t, err)
	for want, module := range map[string][]byte{
		"the module has more than one section parigot.contract":                                       wasm.AppendCustom(good, contract.SectionName, content),
		"the section parigot.contract does not decode as parigot.v1.Contract":                         wasm.AppendCustom([]byte(empty), contract.SectionName, content[:len(content)-1]),
		"the section parigot.contract has 4194305 bytes, more than 4194304":                           wasm.AppendCustom([]byte(empty), contract.SectionName, make([]byte, contract.MaxSize+1)),
		"malformed: INVALID_ARGUMENT: the descriptors lack the method \"Other\" of the service \"S\"": wasm.AppendCustom([]byte(empty), contract.SectionName, lacks),
		"the section parigot.contract is malformed: INVALID_ARGUMENT: the descriptors: proto":         wasm.AppendCustom([]byte(empty), contract.SectionName, incoherent),
		"the module is malformed: it ends too early":                                                  good[:len(good)-1],
		"it is no WebAssembly module":                                                                 []byte("something else"),
	} {
		_, err := contract.Read(module)
		require.ErrorIs(t, err, status.Of(status.InvalidArgument), want)
		require.Contains(t, strings.ReplaceAll(err.Error(), "\u00a0", " "), want)
	}
	none, err := contract.Read([]byte(empty))
	require.NoError(t, err)
	require.Nil(t, none)
	nothing, err := contract.Read(wasm.AppendCustom([]byte(empty), contract.SectionName, nil))
	require.NoError(t, err)
	require.NotNil(t, nothing)
	large := proto.Clone(c.Proto()).(*contractpb.Contract)
	large.GoPackage = strings.Repeat("x", contract.MaxSize)
	tooLarge, err := contract.Parse(large)
	require.NoError(t, err)
	_, err = contract.Append([]byte(empty), tooLarge)
	require.ErrorIs(t, err, status.Of(status.ResourceExhausted))
}

// TestReduce: the contract has what the methods reach, wherever it is declared, and
// means the same.
func TestReduce(t *testing.T) {
	t.Parallel()
	s := compile(t, map[string]string{
		"main.proto": `syntax = "proto3"; package p; import public "shared/a.proto"; import "unused.proto"; import "google/protobuf/timestamp.proto";
			message Outer { message Mid { message Req { shared.A a = 1; Outer.Kind k = 2; Unused.Part p = 3; } } enum Kind { ZERO = 0; } string not_reached = 1; NotReached n = 2; }
			message Unused { enum Part { NONE = 0; } }
			message NotReached { unused.U u = 1; }
			message Resp { google.protobuf.Timestamp t = 1; map<int32, shared.B> m = 2; optional int32 o = 3; }
			service S { rpc Call(Outer.Mid.Req) returns (Resp); }`,
		"shared/a.proto": `syntax = "proto2"; package shared; import public "shared/b.proto"; message A { optional B b = 1; extensions 100 to max; } extend A { optional int32 x = 100; }`,
		"shared/b.proto": `syntax = "proto2"; package shared; message B { required int32 x = 1; repeated int32 packed = 2 [packed = true]; }`,
		"unused.proto":   `syntax = "proto3"; package unused; message U {}`,
	})
	c := contractOf(t, s, nil)
	var paths []string
	for _, f := range c.Proto().GetDescriptors().GetFile() {
		paths = append(paths, f.GetName())
	}
	require.Equal(t, []string{"google/protobuf/timestamp.proto", "main.proto", "shared/a.proto", "shared/b.proto"}, paths)
	require.Equal(t, contract.Canonical(s), contract.Canonical(contract.Reduced(c, "p.S")))
	outer := c.Proto().GetDescriptors().GetFile()[1].GetMessageType()[0]
	require.Equal(t, "Outer", outer.GetName())
	require.Empty(t, outer.GetField(), "a shell")
}

// TestFindFiles: descriptors are found whole among other data.
func TestFindFiles(t *testing.T) {
	t.Parallel()
	one := linked(t, service(t, "package a; message Req {} message Resp { Req r = 1; }").ParentFile())
	two := linked(t, kernel.ParentFile())
	old := linked(t, service(t, `syntax = "proto2"; package o; message Req {} message Resp {}`).ParentFile())
	for name, between := range map[string]string{
		"nothing": "", "a zero": "\x00", "text": "hello main.proto \x0bmain.proto", "a tag": "\x62\x01", "another tag": "\x3a\x03xyz", "an edition": "p\x07",
	} {
		memory := slices.Concat([]byte("\n\xff.proto"), one, []byte(between), two, []byte(between), old, []byte(between))
		found := contract.FindFiles(memory)
		require.Len(t, found, 3, name)
		for i, want := range [][]byte{one, two, old} {
			f := &descriptorpb.FileDescriptorProto{}
			require.NoError(t, proto.Unmarshal(want, f))
			require.True(t, proto.Equal(f, found[i]), "%s: %d", name, i)
		}
	}
	// Two versions of a file: nobody knows which one is meant.
	other := linked(t, service(t, "package a; message Req { int32 a = 1; } message Resp {}").ParentFile())
	found := contract.FindFiles(bytes.Join([][]byte{one, other, one}, nil))
	require.Len(t, found, 2)
	require.ErrorContains(t, contract.LinkFiles(found)["main.proto"], "2 different descriptors of the file main.proto")
}

func TestGoName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"Queue": "Queue", "queue": "Queue", "my_queue": "MyQueue", "_queue": "XQueue", "My_Queue": "My_Queue", "q2_x": "Q2X", "a__b": "A_B",
	} {
		require.Equal(t, want, contract.GoName(name))
	}
}

// FuzzRead gives the reader of the section arbitrary bytes. What it lets through can be
// compared, and what that costs is bounded by the bytes.
func FuzzRead(f *testing.F) {
	for _, s := range []protoreflect.ServiceDescriptor{kernel, service(f, "message Req { Req r = 1; } message Resp { E e = 1; } enum E { Z = 0; }")} {
		b, err := proto.Marshal(contract.Built(s))
		require.NoError(f, err)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		var c *contract.Contract
		var err error
		used := allocated(func() { c, err = contract.Read(wasm.AppendCustom([]byte(empty), contract.SectionName, content)) })
		require.Less(t, used, uint64(1<<20+1000*len(content)))
		if err != nil {
			require.Contains(t, []status.Code{status.InvalidArgument, status.ResourceExhausted}, status.CodeOf(err))
			return
		}
		i := 0
		for _, p := range c.Compare(func(_, _ string) protoreflect.MethodDescriptor {
			i++
			return kernel.Methods().Get(i % kernel.Methods().Len())
		}) {
			require.NotEmpty(t, p.String())
		}
	})
}

// FuzzOf looks for descriptors and build information in arbitrary data. What that costs is
// bounded by the data.
func FuzzOf(f *testing.F) {
	f.Add(linked(f, kernel.ParentFile()), "syscall.v1.Syscall", "Exit")
	f.Fuzz(func(t *testing.T, data []byte, module, function string) {
		imports := slices.Concat([]byte{1}, name(module), name(function), []byte{0, 0})
		segment := slices.Concat([]byte("\x01\x00\x41\x10\x0b"), name(string(data)))
		program := slices.Concat([]byte(empty), []byte{wasm.SectionImport}, name(string(imports)), []byte{wasm.SectionData}, name(string(segment)))
		var c *contract.Contract
		var err error
		used := allocated(func() { c, _, err = contract.Of(program) })
		require.Less(t, used, uint64(8<<20+2000*len(program)))
		require.NoError(t, err)
		for _, s := range c.Proto().GetServices() {
			require.NotEmpty(t, s.GetMethods())
		}
	})
}
