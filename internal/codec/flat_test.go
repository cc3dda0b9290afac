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
			f.empty((*words)(unsafe.Pointer(&got)).data, keep)
			empty := m.ProtoReflect().New().Interface()
			require.True(t, proto.Equal(empty, got), "%T: %v", m, got)
			require.Zero(t, proto.Size(got))
			proto.Merge(got, m)
			require.True(t, proto.Equal(m, got))
			if req, ok := got.(*echov1.SendRequest); ok {
				f.empty((*words)(unsafe.Pointer(&got)).data, keep)
				require.Equal(t, keep, cap(req.Tags) > 0)
				require.Nil(t, req.Payload)
			}
		}
	}
	for _, m := range []proto.Message{new(echov1.WaitRequest), new(structpb.Value), new(structpb.Struct), new(typepb.Type)} {
		require.Nil(t, flatOf(reflect.TypeOf(m).Elem()), "%T", m)
	}
}
