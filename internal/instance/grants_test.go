package instance

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGrants(t *testing.T) {
	t.Parallel()
	g := &Grants{Calls: []string{"a.A", "b.B.One", "c"}, Serves: []string{"d.D"}}
	require.True(t, g.MayCall("a.A", "Any"))
	require.True(t, g.MayCall("b.B", "One"))
	require.False(t, g.MayCall("b.B", "On"))
	require.False(t, g.MayCall("b.B", "Two"))
	require.False(t, g.MayCall("a.AB", "Any"))
	require.True(t, g.MayFind("a.A"))
	require.True(t, g.MayFind("b.B"))
	require.False(t, g.MayFind("b"))
	require.False(t, g.MayFind("d.D"))
	require.True(t, g.MayServe("d.D"))
	require.False(t, g.MayServe("a.A"))

	var all *Grants
	require.True(t, all.MayCall("x.X", "Y") && all.MayFind("x.X") && all.MayServe("x.X"))
	none := new(Grants)
	require.False(t, none.MayCall("x.X", "Y") || none.MayFind("x.X") || none.MayServe("x.X"))
}
