//go:build !wasip1

package queue

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	queuev1 "github.com/iansmith/parigot/examples/queue/gen/queue/v1"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// FuzzPayload: what a guest sends is stored as it is or refused with a documented
// error, and what is stored can be delivered.
func FuzzPayload(f *testing.F) {
	f.Add("type.googleapis.com/google.protobuf.StringValue", []byte{10, 1, 'a'})
	f.Add("type.googleapis.com/google.protobuf.StringValue", []byte{10, 1, 0xff})
	f.Add("type.googleapis.com/google.protobuf.Any", []byte{10, 200})
	f.Add("example.com/some.Type", []byte{0x0b, 0x0c})
	f.Add("", []byte{})
	f.Add("\xff", []byte{1})
	s := &settings{maxPayload: 1 << 10}
	f.Fuzz(func(t *testing.T, url string, value []byte) {
		in := &anypb.Any{TypeUrl: url, Value: value}
		stored, err := s.encodePayload(t.Context(), nil, "payload", in)
		if err != nil {
			coded, ok := status.From(err)
			require.True(t, ok, err)
			require.Contains(t, []string{
				string(queuev1.QueueErr_NoPayload.Descriptor().FullName()), string(status.ResourceExhausted.Descriptor().FullName()),
			}, string(coded.Enum()))
			return
		}
		require.LessOrEqual(t, len(stored), s.maxPayload)
		out, err := decodeAny(stored)
		require.NoError(t, err)
		require.True(t, proto.Equal(in, out))
	})
}
