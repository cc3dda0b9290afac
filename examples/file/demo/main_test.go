//go:build !wasip1

package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/internal/guesttest"
)

func runDemo(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, errOut bytes.Buffer
	code = run(ctx, args, &out, &errOut)
	return code, out.String(), errOut.String()
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	return lines[len(lines)-1]
}

func TestDemo(t *testing.T) {
	t.Parallel()
	code, out, errOut := runDemo(t.Context(), "-guest", guesttest.File(t, "../guest"), "-cache", guesttest.CacheDir(t))
	require.Zero(t, code, errOut)
	require.Empty(t, errOut)
	require.Equal(t, "demo: ok", lastLine(out))
	require.Contains(t, out, "  12. deleted  the file and its directory\n")

	root := regexp.MustCompile(`files are in (\S+)`).FindStringSubmatch(out)
	require.Len(t, root, 2, out)
	require.NoDirExists(t, root[1], "the temporary directory is removed")
}

func TestDemoKeepsAGivenRoot(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "made/by/demo")
	code, out, errOut := runDemo(t.Context(),
		"-guest", guesttest.File(t, "../guest"), "-cache", guesttest.CacheDir(t), "-root", root)
	require.Zero(t, code, errOut)
	require.Contains(t, out, root)
	require.DirExists(t, root)
}

func TestDemoFailures(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	notWasm, notDir := filepath.Join(dir, "not.wasm"), filepath.Join(dir, "file")
	for _, name := range []string{notWasm, notDir} {
		require.NoError(t, os.WriteFile(name, []byte("text"), 0o600))
	}
	// Without a mode, this guest panics.
	panics := guesttest.File(t, "../testdata/testguest")
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{nil, 2, "-guest is missing"},
		{[]string{"-nonsense"}, 2, "-nonsense"},
		{[]string{"-guest", "x", "more"}, 2, `unexpected argument "more"`},
		{[]string{"-guest", filepath.Join(dir, "no.wasm")}, 1, "read the guest"},
		{[]string{"-guest", notWasm}, 1, "compile guest"},
		{[]string{"-guest", notWasm, "-root", notDir}, 1, notDir},
		{[]string{"-guest", panics, "-cache", guesttest.CacheDir(t)}, 1, "the guest exited with 2"},
	} {
		code, out, errOut := runDemo(t.Context(), c.args...)
		require.Equal(t, c.code, code, "%v: %s", c.args, errOut)
		require.Contains(t, errOut, c.want, "%v", c.args)
		require.NotContains(t, out, "demo: ok")
	}
}

func TestDemoStopsWhenInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	code, out, errOut := runDemo(ctx, "-guest", guesttest.File(t, "../guest"), "-cache", guesttest.CacheDir(t))
	require.Equal(t, 1, code, out)
	require.Contains(t, errOut, "context canceled")
	require.NotContains(t, out, "demo: ok")
}

func TestDemoHelp(t *testing.T) {
	t.Parallel()
	code, out, errOut := runDemo(t.Context(), "--help")
	require.Zero(t, code)
	require.Equal(t, usage, out)
	require.Empty(t, errOut)
}
