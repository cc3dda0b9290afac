package guest

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/iansmith/parigot/pluginsdk/status"
)

// TestMissingRequiredField: a request of proto2 that lacks a required field does
// not reach the host, and a response that does is an error.
func TestMissingRequiredField(t *testing.T) {
	t.Parallel()
	incomplete := new(descriptorpb.UninterpretedOption_NamePart)
	complete := new(descriptorpb.UninterpretedOption_NamePart)
	complete.NamePart, complete.IsExtension = new(string), new(bool)

	h := &fakeHost{t: t}
	err := h.wire().do(t.Context(), h.method, incomplete, new(descriptorpb.UninterpretedOption_NamePart))
	require.ErrorIs(t, err, status.Of(status.InvalidArgument))
	require.ErrorContains(t, err, "name_part")
	require.Empty(t, h.got)

	err = h.wire().do(t.Context(), h.method, complete, new(descriptorpb.UninterpretedOption_NamePart))
	require.ErrorIs(t, err, status.Of(status.Internal))
	require.Len(t, h.got, 1)
}
