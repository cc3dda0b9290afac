package cachedir

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// keep keeps an entry of a kilobyte that was used some time ago.
func keep(t *testing.T, d *Dir, key string, ago time.Duration) {
	t.Helper()
	draft, err := d.Draft()
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(filepath.Join(draft, "wazero"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(draft, "wazero", key), []byte(strings.Repeat("x", 1000)), 0o600))
	require.NoError(t, d.Keep(draft, key))
	then := time.Now().Add(-ago)
	require.NoError(t, os.Chtimes(filepath.Join(d.entry(key), sumsFile), then, then))
}

func names(t *testing.T, d *Dir) (names []string) {
	t.Helper()
	found, err := os.ReadDir(d.path)
	require.NoError(t, err)
	for _, f := range found {
		names = append(names, f.Name())
	}
	return names
}

// TestSweep: age and size decide, and what is not of the cache stays.
func TestSweep(t *testing.T) {
	t.Parallel()
	d, err := Open(filepath.Join(t.TempDir(), "deep", "cache"), 3500, 24*time.Hour)
	require.NoError(t, err)
	keep(t, d, "new", 0)
	keep(t, d, "used", 2*time.Hour)
	keep(t, d, "third", 3*time.Hour)
	keep(t, d, "unused", 4*time.Hour)
	keep(t, d, "old", 48*time.Hour)
	entry, damage := d.Find("used") // notes the use
	require.Nil(t, damage)
	require.NotEmpty(t, entry)
	then := time.Now().Add(-2 * draftAge)
	for _, name := range []string{"mine", draftPrefix + "left", draftPrefix + "fresh"} {
		require.NoError(t, os.Mkdir(filepath.Join(d.path, name), 0o700))
	}
	for _, name := range []string{"mine", draftPrefix + "left"} {
		require.NoError(t, os.Chtimes(filepath.Join(d.path, name), then, then))
	}
	require.NoError(t, os.WriteFile(filepath.Join(d.path, entryPrefix+"file"), nil, 0o600))
	require.NoError(t, d.Sweep())
	require.Equal(t, []string{draftPrefix + "fresh", "guest-file", "guest-new", "guest-third", "guest-used", "mine"}, names(t, d))

	d.maxBytes = 1
	require.NoError(t, d.Sweep())
	require.Equal(t, []string{draftPrefix + "fresh", "guest-file", "guest-used", "mine"}, names(t, d), "the last one used stays")
}

// TestKeepTwice: the first entry stays, and the second draft goes.
func TestKeepTwice(t *testing.T) {
	t.Parallel()
	d, err := Open(t.TempDir(), 1<<20, time.Hour)
	require.NoError(t, err)
	keep(t, d, "a", 0)
	keep(t, d, "a", 0)
	require.Equal(t, []string{"guest-a"}, names(t, d))
	entry, damage := d.Find("b")
	require.Nil(t, damage)
	require.Empty(t, entry)
	require.NoError(t, d.Remove("b"))
	draft, err := d.Draft()
	require.NoError(t, err)
	require.Error(t, d.Keep(draft, "b"), "there is no file in it")
	require.Equal(t, []string{"guest-a"}, names(t, d))
}
