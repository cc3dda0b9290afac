//go:build unix

package file

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Names that no message can hold, and a named pipe that would block its reader.
func TestLoadTestDataOddFiles(t *testing.T) {
	t.Parallel()
	b, source := setupTestData(t, map[string]string{"a": "A", "bad\xffname": "", "baddir\xff/a": ""})
	require.NoError(t, syscall.Mkfifo(filepath.Join(source, "pipe"), 0o600))

	resp, err := b.load(source, "mount", false)
	require.NoError(t, err)
	require.EqualValues(t, 1, resp.GetCopied())
	require.Equal(t, []string{"baddir\uFFFD", "bad\uFFFDname", "pipe"}, resp.GetErrorPath())
}
