package codec

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	echov1 "github.com/iansmith/parigot/pluginsdk/testdata/gen/echo/v1"
)

// TestRoom: the elements of lists count, used or not, and bytes do not, which are
// borrowed; nobody knows what messages within the message keep.
func TestRoom(t *testing.T) {
	t.Parallel()
	m := &echov1.SendRequest{Payload: make([]byte, 1000), Tags: make([]string, 1, 10)}
	require.True(t, RoomOf(m).AtMost(160, m))
	require.False(t, RoomOf(m).AtMost(159, m))
	require.True(t, RoomOf(new(wrapperspb.StringValue)).AtMost(0, new(wrapperspb.StringValue)))
	require.False(t, RoomOf(new(echov1.WaitRequest)).AtMost(1000, new(echov1.WaitRequest)), "a message")
	require.False(t, RoomOf(new(echov1.Tree)).AtMost(1000, new(echov1.Tree)), "messages")
	require.False(t, RoomOf(new(structpb.Struct)).AtMost(1000, new(structpb.Struct)), "a map")
	require.False(t, RoomOf(new(structpb.Value)).AtMost(1000, new(structpb.Value)), "an oneof")
}
