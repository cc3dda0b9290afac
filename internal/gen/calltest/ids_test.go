package calltest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/internal/gen/testdata/ids/ids/idsparigot"
	"github.com/iansmith/parigot/internal/gen/testdata/ids_only/idsonly/idsonlyparigot"
)

// TestIDs: a generated id survives text and messages, and has a type of its own.
func TestIDs(t *testing.T) {
	t.Parallel()
	message := idsparigot.NewQueueMessage2Id()
	require.False(t, message.IsZero())
	require.Equal(t, message, idsparigot.QueueMessage2IdFromProto(message.Proto()))
	parsed, err := idsparigot.ParseQueueMessage2Id(message.String())
	require.NoError(t, err)
	require.Equal(t, message, parsed)

	_, err = idsparigot.ParseQueueId(message.String())
	require.EqualError(t, err, `id: "`+message.String()+`" is not a queue id: want "q-" and 32 hexadecimal digits`)
	_, err = idsparigot.ParseQueueMessage2Id("")
	require.ErrorContains(t, err, `is not a message id: want "m-"`)
	require.True(t, idsparigot.QueueIdFromProto(nil).IsZero())
	require.Equal(t, "s-00000000000000000000000000000000", idsonlyparigot.ShelfId{}.String())
}
