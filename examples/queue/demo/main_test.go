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

// demoArgs are those of a short run.
func demoArgs(t *testing.T, more ...string) []string {
	t.Helper()
	return append([]string{
		"-guest", guesttest.File(t, "../guest"), "-cache", guesttest.CacheDir(t), "-messages", "500",
	}, more...)
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	return lines[len(lines)-1]
}

func TestDemo(t *testing.T) {
	t.Parallel()
	code, out, errOut := runDemo(t.Context(), demoArgs(t)...)
	require.Zero(t, code, errOut)
	require.Empty(t, errOut)
	require.Equal(t, "demo: ok", lastLine(out))
	require.Contains(t, out, "  lost     none: all 500 are done, and the queue is empty\n")

	database := regexp.MustCompile(`queues are in (\S+)`).FindStringSubmatch(out)
	require.Len(t, database, 2, out)
	require.NoDirExists(t, filepath.Dir(database[1]), "the temporary directory is removed")
}

// cancelAt is a writer that cancels when it sees a text.
type cancelAt struct {
	bytes.Buffer
	text   string
	cancel func()
}

func (w *cancelAt) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(w.text)) {
		w.cancel()
	}
	return w.Buffer.Write(p)
}

func TestDemoGoesOnWhereItWasInterrupted(t *testing.T) {
	t.Parallel()
	database := filepath.Join(t.TempDir(), "queues.db")
	args := demoArgs(t, "-database", database)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &cancelAt{text: "100 of 500", cancel: cancel}
	var errOut bytes.Buffer
	require.Equal(t, 1, run(ctx, args, out, &errOut), out.String())
	require.Contains(t, errOut.String(), "CANCELLED")
	require.NotContains(t, out.String(), "demo: ok")
	require.FileExists(t, database)

	code, again, stderr := runDemo(t.Context(), args...)
	require.Zero(t, code, stderr)
	left := regexp.MustCompile(`found    the queue "demo" of an earlier run, with ([1-9]\d*) messages`).FindStringSubmatch(again)
	require.Len(t, left, 2, again)
	require.Contains(t, again, "and      "+left[1]+" messages of an earlier run\n")
	require.Contains(t, again, "  lost     none: all 500 are done, and the queue is empty\n")
}

func TestDemoFailures(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	notWasm := filepath.Join(dir, "not.wasm")
	require.NoError(t, os.WriteFile(notWasm, []byte("text"), 0o600))
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{nil, 2, "-guest is missing"},
		{[]string{"-nonsense"}, 2, "-nonsense"},
		{[]string{"-guest", "x", "-messages", "many"}, 2, `"many"`},
		{[]string{"-guest", "x", "more"}, 2, `unexpected argument "more"`},
		{[]string{"-guest", filepath.Join(dir, "no.wasm")}, 1, "read the guest"},
		{[]string{"-guest", notWasm}, 1, "compile guest"},
		{[]string{"-guest", notWasm, "-database", filepath.Join(dir, "no", "queues.db")}, 1, "does not exist: make it"},
		{[]string{"-guest", notWasm, "-database", notWasm}, 1, "not a database"},
		{demoArgs(t, "-messages", "0"), 1, "the guest exited with 1"},
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
	code, out, errOut := runDemo(ctx, demoArgs(t)...)
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
