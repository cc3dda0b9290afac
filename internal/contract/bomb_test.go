package contract_test

import (
	"bytes"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/iansmith/parigot/internal/contract"
	"github.com/iansmith/parigot/internal/wasm"
	"github.com/iansmith/parigot/pluginsdk/parigotpb/contractpb"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// mostOfSection is what reading a section of the largest size may allocate, in bytes.
const mostOfSection = 192 << 20

type (
	file    = descriptorpb.FileDescriptorProto
	message = descriptorpb.DescriptorProto
)

// TestBombs: contracts that would take gigabytes or minutes are refused, and nobody pays
// for it.
func TestBombs(t *testing.T) { //nolint:paralleltest // it counts all allocations
	name := func(i int) *string { return proto.String(fmt.Sprint("M", i)) }
	messages := func(n int) (all []*message) {
		for i := range n {
			all = append(all, &message{Name: name(i)})
		}
		return all
	}
	nested := func(depth, length int) *message {
		m := &message{Name: proto.String(strings.Repeat("a", length))}
		for range depth {
			m = &message{Name: proto.String(strings.Repeat("a", length)), NestedType: []*message{m}}
		}
		return m
	}
	of := func(files ...*file) []byte {
		for i, f := range files {
			f.Name, f.Syntax = proto.String(fmt.Sprint(i, ".proto")), proto.String("proto3")
		}
		b, err := proto.Marshal(&contractpb.Contract{Descriptors: &descriptorpb.FileDescriptorSet{File: files}})
		require.NoError(t, err)
		return b
	}
	var chain []*file
	for i := range 50_000 {
		f := &file{}
		if i > 0 {
			f.Dependency, f.PublicDependency = []string{fmt.Sprint(i-1, ".proto")}, []int32{0}
		}
		chain = append(chain, f)
	}
	relative := messages(3000)
	for _, m := range relative {
		m.Field = []*descriptorpb.FieldDescriptorProto{{Name: proto.String("f"), Number: proto.Int32(1), TypeName: proto.String("x.y")}}
	}
	values := &descriptorpb.EnumDescriptorProto{Name: proto.String(strings.Repeat("e", 4000))}
	for i := range int32(100_000) {
		values.Value = append(values.Value, &descriptorpb.EnumValueDescriptorProto{Name: name(int(i)), Number: proto.Int32(i)})
	}
	var services contractpb.Contract
	for range 100_000 {
		services.Services = append(services.Services, &contractpb.Service{Name: "p.S", Calls: true})
	}
	manyServices, err := proto.Marshal(&services)
	require.NoError(t, err)
	methods := &contractpb.Service{Name: "p.S"}
	for i := range 100_000 {
		methods.Methods = append(methods.Methods, &contractpb.Method{Name: *name(i)})
	}
	manyMethods, err := proto.Marshal(&contractpb.Contract{Services: []*contractpb.Service{methods}})
	require.NoError(t, err)
	deep := []byte{}
	for range 5000 {
		deep = protowire.AppendBytes([]byte{3<<3 | 2}, deep)
	}
	for bomb, c := range map[string]struct {
		section []byte
		want    string
	}{
		"a long package":    {of(&file{Package: proto.String(strings.Repeat("a", 1<<20)), MessageType: messages(4000)}), "a name in the proto files has 1048576 bytes, more than 4096"},
		"a deep package":    {of(&file{Package: proto.String("a" + strings.Repeat(".a", 1<<19))}), "a name in the proto files has"},
		"many in a package": {of(&file{Package: proto.String(strings.Repeat("a", 4000)), MessageType: messages(40_000)}), "the full names in the proto files have more than 8388608 bytes"},
		"many messages":     {of(&file{MessageType: messages(60_000)}), "the proto files have more than 50000 declarations"},
		"empty messages":    {wrap(bytes.Repeat([]byte{0x22, 0}, 2<<20-20)), "takes more than 67108864 bytes when it is decoded"},
		"nested messages":   {of(&file{MessageType: []*message{nested(900, 1000)}}), "a name in the proto files has"},
		"nested deeply":     {wrap(append([]byte{0x22, 0xff, 0xff, 0xff, 0}, deep...)), "does not decode"},
		"deeper":            {wrap(protowire.AppendBytes([]byte{0x22}, deep)), "nested in more than 1000 levels"},
		"a chain of files":  {of(chain...), "there are 50000 proto files, more than 5000"},
		"public imports":    {of(chain[:4000]...), "the full names in the proto files have more than"},
		"references":        {of(&file{Package: proto.String("a" + strings.Repeat(".a", 2000)), MessageType: relative}), "the full names in the proto files have more than"},
		"values of an enum": {of(&file{EnumType: []*descriptorpb.EnumDescriptorProto{values}}), "the proto files"},
		"services":          {manyServices, "it has 100000 services, more than 1000"},
		"methods":           {manyMethods, "its services have 100000 methods, more than 10000"},
	} {
		module := wasm.AppendCustom([]byte(empty), contract.SectionName, c.section)
		var err error
		begin := time.Now()
		used := allocated(func() { _, err = contract.Read(module) })
		t.Logf("%s: %d KiB, %d MiB allocated, %v", bomb, len(c.section)>>10, used>>20, time.Since(begin))
		require.ErrorContains(t, err, c.want, bomb)
		if bomb != "nested deeply" {
			require.ErrorIs(t, err, status.Of(status.ResourceExhausted), bomb)
		}
		require.Less(t, used, uint64(mostOfSection), bomb)
	}
	// The largest that passes.
	large := of(&file{Package: proto.String("p"), MessageType: messages(49_000)})
	used := allocated(func() { _, err = contract.Read(wasm.AppendCustom([]byte(empty), contract.SectionName, large)) })
	require.NoError(t, err)
	t.Logf("49000 messages: %d KiB, %d MiB allocated", len(large)>>10, used>>20)
	require.Less(t, used, uint64(mostOfSection))
}

// TestOfBombs: what looks like descriptors and symbols does not keep the search busy for
// long.
func TestOfBombs(t *testing.T) { //nolint:paralleltest // it counts all allocations
	var within []byte
	for len(within) < 4<<20 {
		within = slices.Concat([]byte("\x0a\x07a.proto\x22"), protowire.AppendBytes(nil, within[:min(len(within), 1<<20)]), within)
	}
	run := bytes.Repeat([]byte{0x22, 0}, 1<<20)
	var starts []byte
	for range 20_000 {
		starts = append(starts, "\x0a\x07a.proto"...)
	}
	for bomb, memory := range map[string][]byte{
		"paths":            bytes.Repeat([]byte("x.proto"), 1<<19),
		"within":           within,
		"starts and a run": append(starts, run...),
		"a run":            append([]byte("\x0a\x07a.proto"), run...),
		"symbols":          bytes.Repeat([]byte("x.ServeX\x00x.LocateX\x00"), 200_000),
		"long symbols":     bytes.Repeat([]byte(".Serve"), 1<<19),
	} {
		segment := slices.Concat([]byte("\x01\x00\x41\x10\x0b"), protowire.AppendBytes(nil, memory))
		module := slices.Concat([]byte(empty), []byte{wasm.SectionData}, protowire.AppendBytes(nil, segment))
		var err error
		begin := time.Now()
		used := allocated(func() { _, _, err = contract.Of(module) })
		t.Logf("%s: %d KiB, %d MiB allocated, %v", bomb, len(module)>>10, used>>20, time.Since(begin))
		require.NoError(t, err, bomb)
		require.Less(t, used, uint64(256<<20), bomb)
		require.Less(t, time.Since(begin), 30*time.Second, bomb)
	}
}

// TestCompareLargeStops: fields and values are bounded, too, in all methods together.
func TestCompareLargeStops(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("message Resp { Req r = 1; } message Req { oneof o {")
	for i := range 4000 {
		fmt.Fprintf(&b, " int32 f%d = %d;", i, i+1)
	}
	b.WriteString("} }")
	large := b.String()
	texts, _ := differences(t, service(t, large), service(t, large+" message Other {}"))
	require.Empty(t, texts, "the hashes are the same")
	texts, rules := differences(t, service(t, large), service(t, strings.Replace(large, "int32 f0", "int64 f0", 1)))
	require.Contains(t, rules, "TOO_LARGE")
	require.Contains(t, texts, "its fields are too many to compare: more than 2000000")
}

// wrap makes of an encoded file a section.
func wrap(file []byte) []byte {
	set := protowire.AppendBytes([]byte{1<<3 | 2}, file)
	return protowire.AppendBytes([]byte{7<<3 | 2}, set)
}

// allocated returns the bytes that f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
