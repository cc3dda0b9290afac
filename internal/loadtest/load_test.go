// Package loadtest tests pluginsdk.LoadAndReturnInit. It is a package of its own
// because a plugin only fits a host that has the very same pluginsdk, and a test
// inside of pluginsdk compiles one that nobody else has.
package loadtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/internal/preflight"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// setting returns a build setting of this test binary.
func setting(key string) string {
	info, _ := debug.ReadBuildInfo()
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}

// build builds a package of testdata with the flags of this test binary, which a
// plugin must share.
func build(t *testing.T, dir string, flags ...string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out.so")
	args := []string{"build", "-o", out}
	if setting("-race") == "true" {
		args = append(args, "-race")
	}
	if gcflags := setting("-gcflags"); gcflags != "" {
		args = append(args, "-gcflags="+gcflags)
	}
	args = append(args, flags...)
	text, err := exec.Command("go", append(args, "./testdata/"+dir)...).CombinedOutput()
	require.NoError(t, err, string(text))
	return out
}

// loads reports whether this program can load plugins.
func loads() bool { return setting("CGO_ENABLED") == "1" && runtime.GOOS != "windows" }

func TestLoadAndReturnInit(t *testing.T) {
	t.Parallel()
	if !loads() {
		_, err := pluginsdk.LoadAndReturnInit(t.Context(), build(t, "program"), "ParigotInitialize", "")
		require.ErrorIs(t, err, status.Of(status.FailedPrecondition))
		require.ErrorContains(t, err, "this host cannot load Go plugins: it was built without cgo")
		return
	}
	// One that does not fit is refused before it is opened: opening it would make
	// the runtime refuse the right one, too.
	_, err := pluginsdk.LoadAndReturnInit(t.Context(), build(t, "plugin", "-buildmode=plugin", "-gcflags=github.com/iansmith/parigot/pluginsdk/status=-l"), "ParigotInitialize", "")
	require.ErrorIs(t, err, status.Of(status.FailedPrecondition))
	require.ErrorContains(t, err, fmt.Sprintf(`-gcflags: host %q, plugin "github.com/iansmith/parigot/pluginsdk/status=-l"`, setting("-gcflags")))
	require.ErrorContains(t, err, "packages that were compiled from other sources or with other flags: ")
	require.ErrorContains(t, err, "github.com/iansmith/parigot/pluginsdk/status")
	require.ErrorContains(t, err, "go build -buildmode=plugin")
	require.ErrorContains(t, err, "internal/loadtest/testdata/plugin")

	// The command that the error has builds one that loads, in an environment that
	// would not.
	refusal, ok := errors.AsType[*preflight.RefusalError](err)
	require.True(t, ok)
	so := filepath.Join(t.TempDir(), "out.so")
	cmd := exec.CommandContext(t.Context(), "sh", "-c", strings.Replace(refusal.Command, "go build ", "go build -o '"+so+"' ", 1))
	cmd.Env = append(os.Environ(), "GOFLAGS=-gcflags=github.com/iansmith/parigot/pluginsdk/status=-l")
	text, err := cmd.CombinedOutput()
	require.NoError(t, err, string(text))
	whole, err := os.ReadFile(so)
	require.NoError(t, err)
	for _, size := range []int{10, len(whole) / 3, len(whole) - 1} {
		cut := filepath.Join(t.TempDir(), "cut.so")
		require.NoError(t, os.WriteFile(cut, whole[:size], 0o600))
		_, err = pluginsdk.LoadAndReturnInit(t.Context(), cut, "ParigotInitialize", "")
		require.ErrorIs(t, err, status.Of(status.FailedPrecondition), size)
	}

	init, err := pluginsdk.LoadAndReturnInit(t.Context(), so, "ParigotInitialize", "ignored")
	require.NoError(t, err)
	h, err := eng.New(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, h.Close(t.Context())) }()
	require.NoError(t, pluginsdk.Start(t.Context(), h, init))
	require.ErrorContains(t, pluginsdk.Start(t.Context(), h, init), "registered already", "its functions are there")

	again, err := pluginsdk.LoadAndReturnInit(t.Context(), so, "ParigotInitialize", "")
	require.NoError(t, err)
	require.ErrorContains(t, pluginsdk.Start(t.Context(), h, again), "registered already", "it is the same plugin")

	_, err = pluginsdk.LoadAndReturnInit(t.Context(), so, "Empty", "")
	require.ErrorContains(t, err, "the variable Empty is nil")
	_, err = pluginsdk.LoadAndReturnInit(t.Context(), so, "WrongType", "")
	require.ErrorContains(t, err, "WrongType is a *int, want a variable declared as: var WrongType pluginsdk.ParigotInit")
	_, err = pluginsdk.LoadAndReturnInit(t.Context(), so, "Nothing", "")
	require.ErrorContains(t, err, "no exported variable Nothing")
	require.ErrorIs(t, err, status.Of(status.NotFound))
}

// requireNoPlugins: a program without cgo says so of any file.
func requireNoPlugins(t *testing.T) {
	t.Helper()
	_, err := pluginsdk.LoadAndReturnInit(t.Context(), "any.so", "ParigotInitialize", "")
	require.ErrorIs(t, err, status.Of(status.FailedPrecondition))
	require.ErrorContains(t, err, "cannot load Go plugins")
}

// TestPluginThatPanics: a second load must not wait for ever.
func TestPluginThatPanics(t *testing.T) {
	t.Parallel()
	if !loads() {
		requireNoPlugins(t)
		return
	}
	so := build(t, "panics", "-buildmode=plugin")
	for range 2 {
		_, err := pluginsdk.LoadAndReturnInit(t.Context(), so, "ParigotInitialize", "")
		require.ErrorIs(t, err, status.Of(status.Internal))
		require.ErrorContains(t, err, "its initialisation panicked: not today")
	}
}

func TestFilesThatAreNoPlugins(t *testing.T) {
	t.Parallel()
	if !loads() {
		requireNoPlugins(t)
		return
	}
	text := filepath.Join(t.TempDir(), "text.so")
	require.NoError(t, os.WriteFile(text, []byte("not a plugin"), 0o600))
	for path, want := range map[string]string{
		text:                     "is no Go plugin",
		build(t, "program"):      "-buildmode=exe, want -buildmode=plugin",
		text + ".missing":        "no such file",
		filepath.Dir(text) + "/": "is no Go plugin",
	} {
		_, err := pluginsdk.LoadAndReturnInit(t.Context(), path, "ParigotInitialize", "")
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, path)
		require.ErrorIs(t, err, status.Of(status.FailedPrecondition))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := pluginsdk.LoadAndReturnInit(ctx, text, "ParigotInitialize", "")
	require.ErrorIs(t, err, context.Canceled)
}
