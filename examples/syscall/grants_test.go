//go:build !wasip1

package syscall

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// TestGrants: a guest serves, requires and calls what it was granted, and nothing
// else.
func TestGrants(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	server := b.guest("server").granted(eng.Grants{Serves: []string{"p.S"}})
	server.serve("p.S")
	_, err := server.register("p.Other")
	requireErr(t, err, status.PermissionDenied, "the guest server serve p.Other")
	_, err = server.register("")
	require.NoError(t, err, "a client serves nothing")

	whole := b.guest("whole").granted(eng.Grants{Calls: []string{"p.S"}})
	whole.use("p.S")
	whole.find("p.S").mustCall("x")
	sid := whole.mustRegister("")
	requireErr(t, whole.require(sid, "p.S2"), status.PermissionDenied, "the guest whole call p.S2")

	one := b.guest("one").granted(eng.Grants{Calls: []string{"p.S.Do"}})
	one.use("p.S")
	one.find("p.S").mustCall("x")

	other := b.guest("other").granted(eng.Grants{Calls: []string{"p.S.Other"}})
	other.use("p.S")
	_, err = other.find("p.S").call("x")
	requireErr(t, err, status.PermissionDenied, "the guest other call p.S.")
}
