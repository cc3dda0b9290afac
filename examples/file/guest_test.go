//go:build !wasip1

package file

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	filev1 "github.com/iansmith/parigot/examples/file/gen/file/v1"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/plugintest"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// hostBundle is an engine with the plugin, and a guest compiled for it.
type hostBundle struct {
	t     *testing.T
	root  string
	host  *eng.Host
	guest *eng.Guest
}

// setupHost starts the plugin as any host does and compiles the guest in dir.
func setupHost(t *testing.T, dir string) *hostBundle {
	t.Helper()
	b := &hostBundle{t: t, root: t.TempDir()}
	b.host = plugintest.Host(t, plugintest.With(ParigotInitialize, pluginsdk.WithConfig(&filev1.FileConfig{Root: b.root})))
	b.guest = plugintest.Guest(t, b.host, dir)
	return b
}

// run runs the guest to its end and returns what it printed.
func (b *hostBundle) run(args ...string) string {
	b.t.Helper()
	var out bytes.Buffer
	code, err := b.guest.Run(b.t.Context(), eng.WithArgs(args...), eng.WithStdout(&out), eng.WithStderr(&out))
	require.NoError(b.t, err)
	require.Zero(b.t, code, out.String())
	return strings.TrimSpace(out.String())
}

// background is a guest that runs while the test goes on.
type background struct {
	line  string // the first that it printed
	stdin io.Closer
	done  chan error
}

// start runs the guest until it has printed a line.
func (b *hostBundle) start(ctx context.Context, args ...string) *background {
	b.t.Helper()
	stdin, endStdin := io.Pipe()
	stdout, stdoutWriter := io.Pipe()
	g := &background{stdin: endStdin, done: make(chan error, 1)}
	go func() {
		code, err := b.guest.Run(ctx, eng.WithArgs(args...), eng.WithStdin(stdin), eng.WithStdout(stdoutWriter))
		if err == nil && code != 0 {
			err = errors.New("the guest failed")
		}
		_ = stdoutWriter.Close() // never fails
		g.done <- err
	}()
	b.t.Cleanup(func() { _ = endStdin.Close() })
	var err error
	g.line, err = bufio.NewReader(stdout).ReadString('\n')
	require.NoError(b.t, err, "the guest printed only %q", g.line)
	return g
}

func TestGuestProgram(t *testing.T) {
	t.Parallel()
	b := setupHost(t, "guest")
	out := b.run()
	require.Contains(t, out, "wrote    1048576 bytes in 16 pieces")
	require.Contains(t, out, "read     1048576 bytes back: the same")
	require.Contains(t, out, "12. deleted  the file and its directory")
	for _, refused := range []string{"AlreadyInUseError", "EOFError", "FileClosedError", "InvalidPathError", "NotExistError"} {
		require.Contains(t, out, refused)
	}
	entries, err := os.ReadDir(b.root)
	require.NoError(t, err)
	require.Empty(t, entries, "the guest cleans up")
}

func TestGuestsAreApart(t *testing.T) {
	t.Parallel()
	b := setupHost(t, "testdata/testguest")
	const path = guestRoot + "held"
	holder := b.start(t.Context(), "hold", path)

	require.Contains(t, b.run("create", path), "AlreadyInUseError")
	stolen := append([]string{"use"}, strings.Fields(holder.line)...)
	const unknown = "FileClosedError: the id names no open file of this guest"
	require.Equal(t, strings.Repeat(unknown+"\n", 2)+unknown, b.run(stolen...))

	require.NoError(t, holder.stdin.Close())
	require.NoError(t, <-holder.done)
	require.Equal(t, "<nil>", b.run("create", path), "the holder's file is closed with it")
}

func TestStoppedGuestLosesItsFiles(t *testing.T) {
	t.Parallel()
	b := setupHost(t, "testdata/testguest")
	const path = guestRoot + "spinning"
	ctx, cancel := context.WithCancel(t.Context())
	spinner := b.start(ctx, "spin", path)
	require.Contains(t, b.run("create", path), "AlreadyInUseError")
	cancel()
	require.ErrorIs(t, <-spinner.done, context.Canceled)
	require.Equal(t, "<nil>", b.run("create", path))
}

func TestEnginesAreApart(t *testing.T) {
	t.Parallel()
	one, two := setupHost(t, "testdata/testguest"), setupHost(t, "./testdata/testguest")
	const path = guestRoot + "a"
	holder := one.start(t.Context(), "hold", path)
	require.Equal(t, "<nil>", two.run("create", path))
	require.FileExists(t, one.root+"/a")
	require.FileExists(t, two.root+"/a")

	require.NoError(t, holder.stdin.Close())
	require.NoError(t, <-holder.done)
	require.NoError(t, one.host.Close(t.Context()))
	require.Equal(t, "<nil>", two.run("create", path), "the other engine goes on")
}

func TestInitExplainsItsFailures(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	notDir := dir + "/file"
	putFile(t, notDir, "")
	for name, c := range map[string]struct {
		config *filev1.FileConfig
		want   []string
	}{
		"no config": {nil, []string{"FileConfig.root is not set", "set it to the directory"}},
		"no root":   {&filev1.FileConfig{}, []string{"FileConfig.root is not set"}},
		"missing root": {
			&filev1.FileConfig{Root: dir + "/missing"}, []string{"FileConfig.root", "/missing", "does not exist: make it"},
		},
		"root is a file": {
			&filev1.FileConfig{Root: notDir}, []string{"FileConfig.root", "is not a directory"},
		},
		"too much at once": {
			&filev1.FileConfig{Root: dir, MaxIoBytes: 1 << 30}, []string{"FileConfig.max_io_bytes is 1073741824", "at most 33554432"},
		},
		"empty test data": {
			&filev1.FileConfig{Root: dir, TestDataDirs: []string{""}}, []string{"FileConfig.test_data_dirs[0] is empty"},
		},
		"missing test data": {
			&filev1.FileConfig{Root: dir, TestDataDirs: []string{t.TempDir(), dir + "/no"}},
			[]string{"FileConfig.test_data_dirs[1]", "does not exist"},
		},
		"test data is the root": {
			&filev1.FileConfig{Root: dir, TestDataDirs: []string{dir + "/"}}, []string{"test_data_dirs[0]", "lie in one another"},
		},
		"test data around the root": {
			&filev1.FileConfig{Root: dir, TestDataDirs: []string{"/"}}, []string{"lie in one another"},
		},
	} {
		var opts []pluginsdk.StartOption
		if c.config != nil {
			opts = append(opts, pluginsdk.WithConfig(c.config))
		}
		err := pluginsdk.Start(t.Context(), plugintest.Host(t), ParigotInitialize, opts...)
		require.Error(t, err, name)
		for _, want := range c.want {
			require.ErrorContains(t, err, want, name)
		}
	}
}

func TestInitRefusesOtherConfigAndSecondStart(t *testing.T) {
	t.Parallel()
	err := pluginsdk.Start(t.Context(), plugintest.Host(t), ParigotInitialize, pluginsdk.WithConfig(&filev1.FileInfo{}))
	require.ErrorIs(t, err, status.Of(status.InvalidArgument))

	host := plugintest.Host(t)
	config := pluginsdk.WithConfig(&filev1.FileConfig{Root: t.TempDir()})
	require.NoError(t, pluginsdk.Start(t.Context(), host, ParigotInitialize, config))
	err = pluginsdk.Start(t.Context(), host, ParigotInitialize, config)
	require.ErrorIs(t, err, status.Of(status.AlreadyExists))
}
