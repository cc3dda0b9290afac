package wirecost

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/apipb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	edition "github.com/iansmith/parigot/internal/gen/testdata/edition2024/ed"
	"github.com/iansmith/parigot/internal/gen/testdata/opaque/opaque"
	old "github.com/iansmith/parigot/internal/gen/testdata/proto2/old"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
	"github.com/iansmith/parigot/pluginsdk/parigotpb/processpb"
	"github.com/iansmith/parigot/pluginsdk/status"
	echov1 "github.com/iansmith/parigot/pluginsdk/testdata/gen/echo/v1"
)

// limit is the default one.
var limit = Limit{128 << 20, "max_decoded"}

// types are what is decoded: with protobuf-go (open, hybrid and opaque), with vtprotobuf,
// and without Go types.
var types = []proto.Message{
	new(processpb.ProcessLog), new(processpb.ProcessReady),
	new(parigotpb.CallHeader), new(spb.Status), new(structpb.Struct), new(structpb.Value), new(apipb.Api),
	new(descriptorpb.FileDescriptorProto), new(descriptorpb.SourceCodeInfo), new(descriptorpb.UninterpretedOption),
	new(wrapperspb.BytesValue), new(opaque.Combination), new(opaque.Content), new(old.OldRequest), new(old.OldResponse),
	new(edition.EditResponse), new(echov1.SendRequest), new(echov1.WaitRequest), new(echov1.Tree), new(echov1.Extensible),
	new(echov1.Shelf), dynamicpb.NewMessage((*processpb.ProcessLog)(nil).ProtoReflect().Descriptor()),
	dynamicpb.NewMessage((*structpb.Struct)(nil).ProtoReflect().Descriptor()),
}

// decoders are all that decode messages of a type.
func decoders(m proto.Message) map[string]func(b []byte, m proto.Message) error {
	all := map[string]func([]byte, proto.Message) error{"protobuf-go": proto.Unmarshal}
	type owning interface{ UnmarshalVT(b []byte) error }
	type borrowing interface{ UnmarshalVTUnsafe(b []byte) error }
	if _, ok := m.(owning); ok {
		all["vtprotobuf"] = func(b []byte, m proto.Message) error { return m.(owning).UnmarshalVT(b) }
		all["vtprotobuf, unsafe"] = func(b []byte, m proto.Message) error { return m.(borrowing).UnmarshalVTUnsafe(b) }
	}
	return all
}

// allocated returns the bytes that f allocates. Others may allocate meanwhile, so the
// smallest figure of some counts, unless the first is low enough.
func allocated(f func(proto.Message), m proto.Message, enough uint64) uint64 {
	least := ^uint64(0)
	var before, after runtime.MemStats
	for i := 0; i < 3 && least > enough; i++ {
		into := m.ProtoReflect().New().Interface()
		runtime.ReadMemStats(&before)
		f(into)
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	return least
}

// check holds a message against its estimate, and returns both.
func check(t *testing.T, m proto.Message, b []byte) (estimate, worst uint64) {
	p := Of(m)
	estimate, err := p.Scan(b, 1<<40)
	enough := min(estimate, p.most(len(b)))
	for name, decode := range decoders(m) {
		var decodeErr error
		used := allocated(func(m proto.Message) { decodeErr = decode(b, m) }, m, enough)
		if err != nil || decodeErr != nil {
			continue // it would not be decoded at all, or an error takes what it takes
		}
		require.LessOrEqual(t, used, estimate, "%s of %d bytes as %s", name, len(b), p.name)
		if most := p.most(len(b)); most <= unscanned {
			require.LessOrEqual(t, used, most, "%s of %d bytes as %s, not scanned", name, len(b), p.name)
		}
		worst = max(worst, used)
	}
	return estimate, worst
}

// TestEstimateHolds: random messages of all kinds of types take no more than the estimate.
func TestEstimateHolds(t *testing.T) { //nolint:paralleltest // it counts all allocations
	for i, m := range types {
		_ = proto.Unmarshal(nil, m.ProtoReflect().New().Interface()) // what is made once
		for seed := range uint64(6) {
			w := writer{Rand: rand.New(rand.NewPCG(seed, uint64(i)))} //nolint:gosec // a test
			check(t, m, w.message(nil, m.ProtoReflect().Descriptor(), 0))
		}
	}
}

// FuzzCost: whatever the bytes are, decoding them takes no more than the estimate.
func FuzzCost(f *testing.F) {
	for i, m := range types {
		w := writer{Rand: rand.New(rand.NewPCG(1, uint64(i)))} //nolint:gosec // a test
		f.Add(uint8(i), w.message(nil, m.ProtoReflect().Descriptor(), 0))
	}
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		check(t, types[int(which)%len(types)], b)
	})
}

// TestEstimateIsNear: it is not far above what usual messages take.
func TestEstimateIsNear(t *testing.T) { //nolint:paralleltest // it counts all allocations
	text := func(n int) string { return strings.Repeat("x", n) }
	var small processpb.ProcessReady
	for range 1000 {
		small.Functions = append(small.Functions, new(processpb.ProcessFunction))
	}
	var tags echov1.SendRequest
	for i := range 1000 {
		tags.Tags = append(tags.Tags, text(i%50))
	}
	fields := map[string]any{}
	for i := range 1000 {
		fields[text(i)] = "value"
	}
	object, err := structpb.NewStruct(fields)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		m      proto.Message
		factor float64
	}{
		"empty messages": {&small, 2},
		"strings":        {&tags, 2},
		"a map":          {object, 4},
		"large bytes":    {&echov1.SendRequest{Payload: make([]byte, 64<<20)}, 1.01},
		"packed numbers": {opaque.Combination_builder{Digits: make([]int32, 100_000)}.Build(), 1.5},
		"descriptors":    {protodescOf(), 4},
	} {
		b, err := proto.Marshal(c.m)
		require.NoError(t, err, name)
		estimate, worst := check(t, c.m, b)
		t.Logf("%s: %d bytes encoded, %d allocated, %d estimated: %.2f", name, len(b), worst, estimate, float64(estimate)/float64(worst))
		require.LessOrEqual(t, float64(estimate), c.factor*float64(worst), name)
	}
	cost, err := Of(&tags).Cost(make([]byte, 0), limit.Bytes)
	require.NoError(t, err)
	require.Zero(t, cost)
}

// TestLimits: too large, too deep and malformed are told apart, and before anything is
// decoded.
func TestLimits(t *testing.T) { //nolint:paralleltest // it counts all allocations
	bomb := bytes.Repeat([]byte{0x12, 0}, 32<<20)
	var err error
	used := allocated(func(m proto.Message) { err = limit.Unmarshal(bomb, m, "the request") }, new(echov1.Tree), 1)
	require.ErrorIs(t, err, status.Of(status.ResourceExhausted))
	require.ErrorContains(t, err, "the request takes more than 134217728 bytes when it is decoded as echo.v1.Tree (max_decoded)")
	require.Less(t, used, uint64(64<<10))

	var deep []byte
	for range 2000 {
		deep = protowire.AppendBytes([]byte{2<<3 | 2}, deep)
	}
	err = limit.Unmarshal(deep, new(echov1.Tree), "it")
	require.ErrorIs(t, err, status.Of(status.ResourceExhausted))
	require.ErrorContains(t, err, "nested in more than 1000 levels")

	// Each piece of a packed list makes protobuf-go copy the list: the square of the bytes.
	pieces := bytes.Repeat([]byte{1<<3 | 2, 1, 7}, 1<<20)
	require.ErrorIs(t, limit.Unmarshal(pieces, new(opaque.Combination), "it"), status.Of(status.ResourceExhausted))

	// vtprotobuf takes the number of this field for 1, and would go on.
	b := append(protowire.AppendVarint(nil, 1<<35|1<<3|2), bytes.Repeat([]byte{0}, 2*Tiny)...)
	require.ErrorIs(t, limit.Unmarshal(b, new(echov1.SendRequest), "it"), status.Of(status.InvalidArgument))
}

func protodescOf() proto.Message {
	b := &descriptorpb.FileDescriptorProto{Name: proto.String("a.proto")}
	for range 100 {
		m := &descriptorpb.DescriptorProto{Name: proto.String("Message")}
		for i := range int32(10) {
			m.Field = append(m.Field, &descriptorpb.FieldDescriptorProto{Name: proto.String("field"), Number: proto.Int32(i + 1)})
		}
		b.MessageType = append(b.MessageType, m)
	}
	return b
}

// writer writes random messages, many of them hostile.
type writer struct{ *rand.Rand }

func (w writer) message(b []byte, d protoreflect.MessageDescriptor, depth int) []byte {
	for range w.IntN(6) {
		times := 1
		if w.IntN(3) == 0 {
			times = 1 + w.IntN(600>>(3*depth)+1)
		}
		if d.Fields().Len() == 0 || w.IntN(10) == 0 {
			for range times {
				b = protowire.AppendTag(b, protowire.Number(90+w.IntN(15)), protowire.BytesType)
				b = protowire.AppendBytes(b, make([]byte, w.IntN(40)))
			}
			continue
		}
		f := d.Fields().Get(w.IntN(d.Fields().Len()))
		other := d.Fields().Get(w.IntN(d.Fields().Len()))
		for range times {
			b = w.field(b, f, depth)
			if times < 50 && w.IntN(4) == 0 {
				b = w.field(b, other, depth)
			}
		}
	}
	return b
}

func (w writer) field(b []byte, f protoreflect.FieldDescriptor, depth int) []byte {
	wire := wireOf(f)
	if isPackable(f) && f.IsList() && w.IntN(2) == 0 {
		size := []int{0, 8, 80, 8 * w.IntN(1000)}[w.IntN(4)]
		return protowire.AppendBytes(protowire.AppendTag(b, f.Number(), protowire.BytesType), make([]byte, size))
	}
	b = protowire.AppendTag(b, f.Number(), wire)
	switch wire {
	case protowire.VarintType:
		return protowire.AppendVarint(b, w.Uint64()>>w.IntN(64))
	case protowire.Fixed32Type:
		return protowire.AppendFixed32(b, w.Uint32())
	case protowire.Fixed64Type:
		return protowire.AppendFixed64(b, w.Uint64())
	case protowire.StartGroupType:
		return protowire.AppendTag(w.message(b, f.Message(), depth+1), f.Number(), protowire.EndGroupType)
	case protowire.BytesType, protowire.EndGroupType:
	}
	var content []byte
	switch {
	case f.Message() == nil:
		content = bytes.Repeat([]byte{'x'}, w.IntN(1<<w.IntN(8)))
	case depth < 4:
		content = w.message(nil, f.Message(), depth+1)
	}
	return protowire.AppendBytes(b, content)
}
