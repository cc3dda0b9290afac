//go:build !wasip1

package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
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

// guests are the flags that name the two guests.
func guests(t *testing.T, more ...string) []string {
	t.Helper()
	return append([]string{
		"-greeting", guesttest.File(t, "../guest/greeting"), "-hello", guesttest.File(t, "../guest/hello"),
		"-cache", guesttest.CacheDir(t),
	}, more...)
}

const greetings = `  hello: asks for greetings in 5 languages at once
  hello: en: Hello, Ada!
  hello: fr: Bonjour, Ada!
  hello: de: Guten Tag, Ada!
  hello: es: Buenos días, Ada!
  hello: it: Buongiorno, Ada!
  hello: tlh: UnknownLanguageError: nobody here speaks "tlh"
  hello: asks all guests to end
`

func TestDemo(t *testing.T) {
	t.Parallel()
	for _, replicas := range []string{"1", "2", "7"} {
		code, out, errOut := runDemo(t.Context(), guests(t, "-replicas", replicas)...)
		require.Zero(t, code, errOut)
		require.Empty(t, errOut)
		require.True(t, strings.HasSuffix(out, "\ndemo: ok\n"), out)
		n := int(replicas[0] - '0')
		require.Contains(t, out, "and hello\n"+strings.Repeat("  greeting: serves\n", n)+greetings+
			strings.Repeat("  greeting: ends\n", n)+"demo: all guests ended after ")
	}
}

func TestDemoFailures(t *testing.T) {
	t.Parallel()
	notWasm := filepath.Join(t.TempDir(), "not.wasm")
	require.NoError(t, os.WriteFile(notWasm, []byte("text"), 0o600))
	// Without an argument, this guest panics.
	panics := guesttest.File(t, "../testdata/servingguest")
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{nil, 2, "-greeting is missing"},
		{[]string{"-greeting", "x"}, 2, "-hello is missing"},
		{[]string{"-nonsense"}, 2, "-nonsense"},
		{guests(t, "more"), 2, `unexpected argument "more"`},
		{guests(t, "-replicas", "0"), 2, "-replicas is 0: want 1 to 100"},
		{guests(t, "-hello", filepath.Join(t.TempDir(), "no.wasm")), 1, "read the guest"},
		{guests(t, "-greeting", notWasm), 1, "compile guest"},
		{guests(t, "-greeting", panics), 1, "the guest greeting exited with 2"},
		{guests(t, "-hello", panics), 1, "the guest hello exited with 2"},
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
	code, out, errOut := runDemo(ctx, guests(t)...)
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
