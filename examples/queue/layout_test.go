//go:build !wasip1

package queue

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
)

// TestDeliveryKeepsTheSize holds what the column room is for: with another size
// SQLite would write the payload again.
func TestDeliveryKeepsTheSize(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	queueID := b.createQueue("layout")
	b.mustSend(queueID, "one", "two")
	payload, err := proto.Marshal(textPayload(t, "three"))
	require.NoError(t, err)
	_, err = New(b.store.conn).CreateMessage(t.Context(), CreateMessageParams{
		IDLow: bits(1), IDHigh: bits(1), QueueKey: bits(1), Payload: payload,
	})
	require.NoError(t, err)
	size := func() (bytes int64) {
		row := b.store.conn.QueryRowContext(t.Context(), "SELECT sum(payload) FROM dbstat WHERE name = 'parigot_test_message'")
		require.NoError(t, row.Scan(&bytes))
		return bytes
	}
	before := size()
	require.Positive(t, before)
	require.Len(t, b.mustReceive(queueID, maxReceive), 3)
	require.Equal(t, before, size())
}
