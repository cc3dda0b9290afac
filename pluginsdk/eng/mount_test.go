package eng_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// mounted returns two directories for a guest, with a secret beside them that they
// have all kinds of links to.
func mounted(t *testing.T) (rw, ro string, opts []eng.RunOption) {
	t.Helper()
	dir := t.TempDir()
	rw, ro = filepath.Join(dir, "rw"), filepath.Join(dir, "ro")
	secret := filepath.Join(dir, "secret")
	require.NoError(t, os.WriteFile(secret, []byte("secret"), 0o600))
	for _, d := range []string{rw, ro} {
		require.NoError(t, os.MkdirAll(filepath.Join(d, "sub"), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(d, "a"), []byte("hello"), 0o600))
		require.NoError(t, os.Symlink("a", filepath.Join(d, "inside")))
		require.NoError(t, os.Symlink(secret, filepath.Join(d, "absolute")))
		require.NoError(t, os.Symlink("../secret", filepath.Join(d, "relative")))
		require.NoError(t, os.Symlink("..", filepath.Join(d, "parent")))
		require.NoError(t, syscall.Mkfifo(filepath.Join(d, "pipe"), 0o600))
	}
	return rw, ro, []eng.RunOption{eng.WithMount(rw, "/rw", true), eng.WithMount(ro, "/ro", false)}
}

// fileOperations runs them in a guest and returns what came of each.
func fileOperations(t *testing.T, opts []eng.RunOption, operations []string, guestOpts ...eng.GuestOption) []string {
	t.Helper()
	var out bytes.Buffer
	opts = append(opts, eng.WithArgs(append([]string{"files"}, operations...)...), eng.WithStdout(&out), eng.WithStderr(&out))
	code, err := compile(t, newHost(t), guestOpts...).Run(t.Context(), opts...)
	require.NoError(t, err, out.String())
	require.Zero(t, code, out.String())
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
}

// TestMounts: a guest works in what it may change, reads what it may read, and reaches
// nothing else, by whatever path or link.
func TestMounts(t *testing.T) {
	t.Parallel()
	rw, ro, opts := mounted(t)
	want := []string{
		"read /rw/a: hello",
		"read /rw/inside: hello",
		"write /rw/sub/b new: done",
		"append /rw/sub/b er: done",
		"read /rw/sub/b: newer",
		"stat /rw/sub/b: 5 bytes, directory false",
		"stat /rw/sub: 3 bytes, directory true",
		"truncate /rw/sub/b: done",
		"touch /rw/sub/b: done",
		"rename /rw/sub/b /rw/c: done",
		"read /rw/c: n",
		"remove /rw/c: done",
		"read /rw/c: No such file or directory",
		"mkdir /rw/d: done",
		"list /rw: a absolute d inside parent pipe relative sub",
		"list /rw/d: ",
		"remove /rw/d: done",
		"remove /rw/sub: done",
		"readlink /rw/inside: a",

		"read /rw/absolute: Operation not permitted",
		"read /rw/relative: Operation not permitted",
		"read /rw/parent/secret: Operation not permitted",
		"write /rw/relative x: Operation not permitted",
		"write /rw/parent/x x: Operation not permitted",
		"rename /rw/a /rw/parent/x: Operation not permitted",
		"rename /rw/a /ro/x: Not implemented on wasip1",
		"list /rw/parent: Operation not permitted",
		"symlink /etc/passwd /rw/x: Operation not permitted",
		"link /rw/a /rw/x: Operation not permitted",
		"read /rw/pipe: Permission denied",
		"read /etc/passwd: No such file or directory",
		"hoard /rw/a: 1022 open, then Too many open files", // wazero has two of its own: the mounts
	}
	var operations []string
	for _, line := range want {
		operation, _, _ := strings.Cut(line, ": ")
		operations = append(operations, operation)
	}
	got := fileOperations(t, opts, operations)
	// The size of a directory is its file system's.
	got[6] = want[6]
	require.Equal(t, want, got)

	got = fileOperations(t, opts, []string{
		"read /ro/inside", "list /ro/sub", "read /ro/absolute", "read /ro/../secret", "list /ro/..", "write /ro/a x", "write /ro/x x", "append /ro/a x", "truncate /ro/a",
		"remove /ro/a", "remove /ro/sub", "rename /ro/a /ro/b", "rename /ro/a /rw/b", "mkdir /ro/x", "touch /ro/a", "symlink a /ro/x",
	})
	require.Equal(t, []string{"read /ro/inside: hello", "list /ro/sub: "}, got[:2])
	for _, line := range got[2:] {
		require.Regexp(t, ": (Operation not permitted|Read-only file system|No such file or directory|Invalid|Not implemented on wasip1)$", line)
	}
	for _, d := range []string{rw, ro} {
		b, err := os.ReadFile(filepath.Join(d, "a"))
		require.NoError(t, err)
		require.Equal(t, "hello", string(b))
	}
}

// TestMountRefused: what cannot be mounted is said when the guest starts.
func TestMountRefused(t *testing.T) {
	t.Parallel()
	g := compile(t, newHost(t))
	for _, guest := range []string{"", "relative", "/a/../b", "/a/"} {
		_, err := g.Run(t.Context(), eng.WithMount(t.TempDir(), guest, false))
		require.ErrorIs(t, err, status.Of(status.InvalidArgument), guest)
	}
	_, err := g.Run(t.Context(), eng.WithMount(filepath.Join(t.TempDir(), "missing"), "/a", false))
	require.ErrorIs(t, err, status.Of(status.FailedPrecondition))
	require.ErrorContains(t, err, "missing")
}
