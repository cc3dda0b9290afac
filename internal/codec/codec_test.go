package codec

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	echov1 "github.com/iansmith/parigot/pluginsdk/testdata/gen/echo/v1"
)

func request() *echov1.SendRequest {
	return &echov1.SendRequest{Queue: "orders", Payload: []byte("payload"), Seq: 7, Tags: []string{"a", "bc"}}
}

// TestFind: each type gets what it can be trusted with.
func TestFind(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		message          proto.Message
		marshal, decodes bool
	}{
		"vtprotobuf": {new(echov1.SendRequest), true, true},
		"nested":     {new(echov1.WaitRequest), true, true},
		"recursive, which could overflow the stack":         {new(echov1.Tree), true, false},
		"with extensions, which vtprotobuf would leave out": {new(echov1.Extensible), false, false},
		"protobuf-go": {new(wrapperspb.StringValue), false, false},
	} {
		codec := Of(c.message)
		require.Equal(t, c.marshal, codec.marshal.found(), name)
		require.Equal(t, c.decodes, codec.unmarshal.found(), name)
		require.Equal(t, c.decodes, codec.Borrows(), name)
		require.Same(t, codec, Of(c.message), name)
	}
}

// TestNestedBytesAreNotRecycled: ResetVT would put the message within the message into a pool
// of the whole process, and with it room for bytes that is the guest's memory.
func TestNestedBytesAreNotRecycled(t *testing.T) {
	t.Parallel()
	require.Implements(t, (*resetter)(nil), new(echov1.WaitRequest))
	require.False(t, Of(new(echov1.WaitRequest)).reset.found())
	require.True(t, Of(new(echov1.SendRequest)).reset.found())
}

// TestWhoOwnsWhat: only what is borrowed changes with the buffer.
func TestWhoOwnsWhat(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]proto.Message{
		"vtprotobuf": request(), "nested": &echov1.WaitRequest{Send: request()},
		"recursive":   &echov1.Tree{Name: "root", Children: []*echov1.Tree{{Name: "leaf"}}},
		"protobuf-go": wrapperspb.String("text"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := Of(m)
			b := make([]byte, c.Size(m))
			require.NoError(t, c.Encode(b, m))
			wire, err := proto.Marshal(m)
			require.NoError(t, err)
			require.Len(t, b, len(wire))

			decoded := func(decode func([]byte, proto.Message) error) proto.Message {
				buffer := append([]byte(nil), b...)
				got := m.ProtoReflect().New().Interface()
				require.NoError(t, decode(buffer, got))
				require.True(t, proto.Equal(m, got))
				for i := range buffer {
					buffer[i] = 0xa5
				}
				return got
			}
			require.True(t, proto.Equal(m, decoded(c.Decode)))
			require.True(t, proto.Equal(m, decoded(OwnerOf(m).Own)))
			require.Equal(t, !c.Borrows(), proto.Equal(m, decoded(c.Borrow)))
		})
	}
}

// TestEncodeNoticesChanges: a message that somebody changes between Size and Encode is
// an error, or a panic that the bridge takes care of, and never bytes beyond the buffer.
func TestEncodeNoticesChanges(t *testing.T) {
	t.Parallel()
	m := request()
	c := Of(m)
	b := make([]byte, c.Size(m))
	m.Tags = m.Tags[:1]
	require.ErrorContains(t, c.Encode(b, m), "changed meanwhile")
}

// TestRecycle: what a message had does not show in the next one.
func TestRecycle(t *testing.T) {
	t.Parallel()
	for _, m := range []proto.Message{request(), wrapperspb.String("text")} {
		c := Of(m)
		c.Recycle(m)
		require.NoError(t, c.Borrow(nil, m))
		require.True(t, proto.Equal(m.ProtoReflect().New().Interface(), m))
	}
}
