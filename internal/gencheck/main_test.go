package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRun: a file that is stale, or missing, is an error that names it.
func TestRun(t *testing.T) {
	t.Parallel()
	plugin := filepath.Join(t.TempDir(), "protoc-gen-parigot")
	text, err := exec.CommandContext(t.Context(), "go", "build", "-o", plugin, "../../cmd/protoc-gen-parigot").CombinedOutput()
	require.NoError(t, err, string(text))
	const module, generated = "module=github.com/iansmith/parigot", "examples/file/gen/file/v1/filev1parigot"
	tree := t.TempDir()
	require.NoError(t, os.CopyFS(filepath.Join(tree, generated), os.DirFS("../../"+generated)))
	check := func(parameter string) (string, error) {
		var out bytes.Buffer
		err := run(t.Context(), &out, tree, plugin, parameter, "file/v1/file.proto", []string{"../../examples/file/proto", "../../pluginsdk/proto"})
		return out.String(), err
	}
	said, err := check(module)
	require.NoError(t, err)
	require.Equal(t, 3, strings.Count(said, ": as in the tree\n"), said)
	_, err = check("colour=red")
	require.ErrorContains(t, err, "exit status 1")
	guest := filepath.Join(tree, generated, "file_guest_parigot.pb.go")
	require.NoError(t, os.WriteFile(guest, []byte("package stale\n"), 0o600))
	_, err = check(module)
	require.ErrorContains(t, err, "file_guest_parigot.pb.go is not what")
	require.NoError(t, os.Remove(guest))
	_, err = check(module)
	require.ErrorIs(t, err, os.ErrNotExist)
}
