package process

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/typepb"

	"github.com/iansmith/parigot/pluginsdk/status"
)


func TestCall(t *testing.T) {
	t.Parallel()
	h := start(t, "")
	g := h.guest("app")
	require.Equal(t, "hello", g.must("echo hello"))
	require.Len(t, g.must("large"), 3<<20, "parked")
	got, err := g.call(context.Background(), "Do", "large", 4<<20)
	require.NoError(t, err)
	require.Len(t, got, 3<<20)
	big := strings.Repeat("y", 3<<20)
	require.Equal(t, big, g.must("echo "+big))

	_, err = g.do("error own")
	require.ErrorIs(t, err, status.Of(typepb.Field_TYPE_FLOAT))
	require.ErrorContains(t, err, "own")
	for i, request := range []string{"secret of the host", "panic of the host", "goexit"} {
		_, err = g.do(request)
		require.ErrorIs(t, err, status.Of(status.Internal))
		require.ErrorContains(t, err, "incident i-")
		require.NotContains(t, err.Error(), "of the host")
		require.EqualValues(t, i+1, g.state.Counters.Incidents.Load())
	}
	require.Equal(t, "still there", g.must("echo still there"))
}

func runBroken(string) {}
