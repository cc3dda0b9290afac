package core_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/internal/instance"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// TestAnswer: an answer is a response or an error, whatever it is made of.
func TestAnswer(t *testing.T) {
	t.Parallel()
	encoded := func(m proto.Message) []byte {
		b, err := proto.Marshal(m)
		require.NoError(t, err)
		return b
	}
	limits := &instance.Limits{MaxResponse: 10_000, MaxDecoded: 20_000}
	list := &structpb.ListValue{}
	for range 1000 { // two bytes each, and a message when it is decoded
		list.Values = append(list.Values, new(structpb.Value))
	}
	for name, tt := range map[string]struct {
		code int32
		body []byte
		resp proto.Message
		want string
	}{
		"response":                 {0, encoded(wrapperspb.String("abc")), new(wrapperspb.StringValue), ""},
		"empty response":           {0, nil, new(wrapperspb.StringValue), ""},
		"malformed":                {0, []byte("\x0a\x09"), new(wrapperspb.StringValue), "INTERNAL: a.B.C: the response does not decode as google.protobuf.StringValue"},
		"malformed, long":          {0, []byte(strings.Repeat("\x0a\x09", 999)), new(structpb.ListValue), "INTERNAL: a.B.C: the response does not decode as google.protobuf.ListValue"},
		"large":                    {0, make([]byte, 10_001), new(wrapperspb.StringValue), "RESOURCE_EXHAUSTED: a.B.C: the response has 10001 bytes, the host takes 10000"},
		"large when it is decoded": {0, encoded(list), new(structpb.ListValue), "RESOURCE_EXHAUSTED: a.B.C: the response takes more than 20000 bytes when it is decoded"},
		"no room":                  {0, encoded(wrapperspb.String(strings.Repeat("x", 2000))), new(wrapperspb.StringValue), "RESOURCE_EXHAUSTED: a.B.C: a response that takes "},
		"error":                    {-int32(status.NotFound), encoded(&spb.Status{Code: int32(status.NotFound), Message: "gone"}), new(wrapperspb.StringValue), "NOT_FOUND: gone"},
		"error, no status":         {-int32(status.NotFound), []byte("\x0a\x09"), new(wrapperspb.StringValue), "NOT_FOUND"},
		"error, large":             {-int32(status.NotFound), make([]byte, 10_001), new(wrapperspb.StringValue), "NOT_FOUND"},
		"code that is none":        {-17, nil, new(wrapperspb.StringValue), "INTERNAL: a.B.C: the answer has the code -17, which is none"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			account := instance.NewAccount(1 << 20)
			if name == "no room" {
				account = instance.NewAccount(100)
			}
			err := core.Answer{Call: "a.B.C", Code: tt.code, Body: tt.body}.Into(tt.resp, limits, account)
			require.Zero(t, account.Held())
			if tt.want == "" {
				require.NoError(t, err)
				require.Equal(t, string(tt.body), string(encoded(tt.resp)))
				return
			}
			require.ErrorContains(t, err, tt.want)
		})
	}
	require.EqualError(t, core.Result(t.Context(), 0, []byte("\x0a\x09"), new(wrapperspb.StringValue)),
		"INTERNAL: the call: the response does not decode as google.protobuf.StringValue")
}
