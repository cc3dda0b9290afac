package eng_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// TestGrants: a guest that imports what it was not granted does not start, and the
// error names the grant.
func TestGrants(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for _, granted := range []string{"test.v1.Test", "test.v1.Test.Echo"} {
		g := compile(t, h, eng.WithGrants(eng.Grants{Calls: []string{granted}}))
		require.NoError(t, g.CheckImports(), granted)
	}
	require.NoError(t, compile(t, h).CheckImports(), "without grants, everything is")

	g := compile(t, h, eng.WithGrants(eng.Grants{Calls: []string{"test.v1.Test.Other"}, Serves: []string{"test.v1.Test"}}))
	_, err := g.Run(context.Background())
	require.ErrorIs(t, err, status.Of(status.FailedPrecondition))
	require.ErrorContains(t, err, "test.v1.Test.Echo: not granted: grant test.v1.Test.Echo, or all of test.v1.Test")
}

// TestImports: a host can see what a guest needs before it runs.
func TestImports(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	want := eng.Import{Module: "test.v1.Test", Name: "Echo", Service: "test.v1.Test", Method: "Echo", Registered: true, Granted: true}
	require.Equal(t, []eng.Import{want}, compile(t, h).Imports())
	want.Granted = false
	require.Equal(t, []eng.Import{want}, compile(t, h, eng.WithGrants(eng.Grants{})).Imports())
}
