package codec

import (
	"reflect"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/typepb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	echov1 "github.com/iansmith/parigot/pluginsdk/testdata/gen/echo/v1"
)

// TestFlat: messages are empty afterwards, whatever was in them, and usable.
func TestFlat(t *testing.T) {
	t.Parallel()
	for _, m := range []proto.Message{
		request(), wrapperspb.String("text"), wrapperspb.Bytes([]byte("bytes")), wrapperspb.Bool(true),
		wrapperspb.Int64(-1), wrapperspb.UInt64(1 << 63), wrapperspb.Double(0.5),
		wrapperspb.Int32(-1), wrapperspb.UInt32(1 << 31), wrapperspb.Float(0.5),
	} {
		for _, keep := range []bool{true, false} {
			f := flatOf(reflect.TypeOf(m).Elem())
			require.NotNil(t, f, "%T", m)
			got := proto.Clone(m)
			got.ProtoReflect().SetUnknown([]byte("\xa0\x06\x01")) // field 100
			empty(f, got, keep)
			want := m.ProtoReflect().New().Interface()
			require.True(t, proto.Equal(want, got), "%T: %v", m, got)
			require.Zero(t, proto.Size(got))
			proto.Merge(got, m)
			require.True(t, proto.Equal(m, got))
			if req, ok := got.(*echov1.SendRequest); ok {
				empty(f, got, keep)
				require.Equal(t, keep, cap(req.Tags) > 0)
				require.Nil(t, req.Payload)
			}
		}
	}
	for _, m := range []proto.Message{new(echov1.WaitRequest), new(structpb.Value), new(structpb.Struct), new(typepb.Type)} {
		require.Nil(t, flatOf(reflect.TypeOf(m).Elem()), "%T", m)
	}
}

func empty(f *flat, m proto.Message, keep bool) {
	p := (*words)(unsafe.Pointer(&m)).data
	f.empty(p)
	if !keep {
		f.dropRoom(p)
	}
}

// wide has more fields of each kind than are emptied without a loop.
type wide struct {
	state         int
	A, B, C       string    `protobuf:"a"`
	D, E, F       []byte    `protobuf:"b"`
	G, H, I       int64     `protobuf:"c"`
	J             []string  `protobuf:"d"`
	K             []float32 `protobuf:"e"`
	L, M          uint32    `protobuf:"f"`
	N, O          bool      `protobuf:"g"`
	unknownFields []byte
	sizeCache     int32
}

// TestFlatWide: nothing is left of any field, and the rest stays.
func TestFlatWide(t *testing.T) {
	t.Parallel()
	b := []byte("b")
	m := wide{7, "a", "b", "c", b, b, b, 1, 2, 3, []string{"j"}, []float32{1}, 1, 2, true, true, b, 8}
	f := flatOf(reflect.TypeFor[wide]())
	f.empty(unsafe.Pointer(&m))
	require.Equal(t, wide{state: 7, J: []string{}, K: []float32{}, sizeCache: 8}, m)
	f.dropRoom(unsafe.Pointer(&m))
	require.Equal(t, wide{state: 7, sizeCache: 8}, m)
}
