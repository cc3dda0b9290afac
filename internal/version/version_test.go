package version

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDescribe covers each way to build a program. internal/walk builds the real one.
func TestDescribe(t *testing.T) {
	t.Parallel()
	const revision, pseudo = "0123456789abcdef0123456789abcdef01234567", "v0.0.0-20260101000000-0123456789ab"
	clean := []debug.BuildSetting{{Key: "vcs.revision", Value: revision}, {Key: "vcs.modified", Value: "false"}}
	dirty := []debug.BuildSetting{{Key: "vcs.revision", Value: revision}, {Key: "vcs.modified", Value: "true"}}
	mine := func(version string) debug.Module { return debug.Module{Path: Module, Version: version} }
	other := debug.Module{Path: "example.com/host", Version: "v9.0.0"}
	dep, replaced := mine(pseudo), mine("v1.2.3")
	replaced.Replace = &debug.Module{Path: "../parigot"}
	for want, info := range map[string]debug.BuildInfo{
		"v1.2.3":                                         {Main: mine("v1.2.3")}, // go install …@v1.2.3
		"v1.2.3, commit 0123456789ab":                    {Main: mine("v1.2.3"), Settings: clean},
		pseudo + ", commit 0123456789ab":                 {Main: other, Deps: []*debug.Module{&dep}, Settings: dirty[1:]},
		pseudo + "+dirty, commit 0123456789ab, modified": {Main: mine(pseudo + "+dirty"), Settings: dirty},
		"version unknown, commit 0123456789ab":           {Main: mine("(devel)"), Settings: clean},
		Unknown:                                          {Main: other, Deps: []*debug.Module{&replaced}, Settings: clean},
	} {
		require.Equal(t, want, describe(&info))
	}
	for _, info := range []debug.BuildInfo{{}, {Main: mine("(devel)")}, {Main: mine("")}} {
		require.Equal(t, Unknown, describe(&info))
	}
}
