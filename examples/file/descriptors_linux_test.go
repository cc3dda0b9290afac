package file

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	filev1 "github.com/iansmith/parigot/examples/file/gen/file/v1"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/plugintest"
)

// descriptors counts the open files of this process in dir, dir itself among
// them. Tests that run at the same time have other directories.
func descriptors(t *testing.T, dir string) int {
	t.Helper()
	links, err := filepath.Glob("/proc/self/fd/*")
	require.NoError(t, err)
	count := 0
	for _, link := range links {
		// A descriptor may be closed since by somebody else.
		target, _ := os.Readlink(link)
		if target == dir || strings.HasPrefix(target, dir+"/") {
			count++
		}
	}
	return count
}

func TestDescriptorsAreClosed(t *testing.T) {
	t.Parallel()
	b := setupHost(t, "testdata/testguest")
	require.Equal(t, 1, descriptors(t, b.root), "the root")
	holder := b.start(t.Context(), "hold", guestRoot+"dir/a")
	require.Equal(t, 2, descriptors(t, b.root))
	b.run("create", guestRoot+"dir/a") // is refused, and must keep nothing open
	b.run("create", guestRoot+"dir")
	b.run("create", guestRoot+"b")
	require.Equal(t, 2, descriptors(t, b.root))
	require.NoError(t, holder.stdin.Close())
	require.NoError(t, <-holder.done)
	require.Equal(t, 1, descriptors(t, b.root))
	require.NoError(t, b.host.Close(t.Context()))
	require.Zero(t, descriptors(t, b.root))
}

// A failed Init leaves nothing behind.
func TestFailedInitClosesTheRoot(t *testing.T) {
	t.Parallel()
	host, dir := plugintest.Host(t), t.TempDir()
	config := pluginsdk.WithConfig(&filev1.FileConfig{Root: dir})
	require.NoError(t, pluginsdk.Start(t.Context(), host, ParigotInitialize, config))
	require.Error(t, pluginsdk.Start(t.Context(), host, ParigotInitialize, config))
	require.Equal(t, 1, descriptors(t, dir))
}

func TestRefusedCallsKeepNothingOpen(t *testing.T) {
	t.Parallel()
	b, source := setupTestData(t, map[string]string{"a": "", "dir/b": "", "bad*": ""})
	b.put("mount/a", "")
	b.mustOpen("mount/a")
	for range 3 {
		_, _ = b.open("mount")
		_, _ = b.open("mount/a")
		_, _ = b.create("mount/a")
		_, _ = b.create("mount")
		_, err := b.load(source, "mount", false)
		require.NoError(t, err)
	}
	require.Equal(t, 2, descriptors(t, b.root))
	require.Zero(t, descriptors(t, source))
}
