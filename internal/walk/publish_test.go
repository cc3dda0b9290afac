package walk

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

const modulePath = "github.com/iansmith/parigot"

// publish makes a module proxy of files that has this repository as the only
// version of its module, and returns the environment in which the go command asks
// it before all others. The protocol is that of https://go.dev/ref/mod#goproxy-protocol.
func publish(t *testing.T, w *walker) []string {
	t.Helper()
	source := copyRepository(t)
	proxy := t.TempDir()
	dir := filepath.Join(proxy, filepath.FromSlash(modulePath), "@v")
	require.NoError(t, os.MkdirAll(dir, 0o750))

	// The version depends on the content: the go command keeps what it has seen.
	draft := filepath.Join(proxy, "draft.zip")
	pack(t, draft, "v0.1.0-walk", source)
	content, err := os.ReadFile(draft)
	require.NoError(t, err)
	version := fmt.Sprintf("v0.1.0-walk.x%x", sha256.Sum256(content))[:40]

	pack(t, filepath.Join(dir, version+".zip"), version, source)
	goMod, err := os.ReadFile(filepath.Join(source, "go.mod"))
	require.NoError(t, err)
	for name, text := range map[string]string{
		"list":            version + "\n",
		version + ".info": `{"Version":"` + version + `"}`,
		version + ".mod":  string(goMod),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	w.run("go env GOPROXY GOMODCACHE")
	settings := strings.Split(strings.TrimSpace(w.output), "\n")
	t.Cleanup(func() { forget(t, settings[1], version) })
	return []string{"GOPROXY=file://" + filepath.ToSlash(proxy) + "," + settings[0], "GONOSUMDB=" + modulePath}
}

func pack(t *testing.T, name, version, source string) {
	t.Helper()
	f, err := os.Create(name)
	require.NoError(t, err)
	require.NoError(t, zip.CreateFromDir(f, module.Version{Path: modulePath, Version: version}, source))
	require.NoError(t, f.Close())
}

// forget removes a version from the module cache, whose directories are read
// only.
func forget(t *testing.T, cache, version string) {
	t.Helper()
	extracted := filepath.Join(cache, filepath.FromSlash(modulePath)+"@"+version)
	_ = filepath.WalkDir(extracted, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			err = os.Chmod(path, 0o700)
		}
		return err
	})
	require.NoError(t, os.RemoveAll(extracted))
	downloads, err := filepath.Glob(filepath.Join(cache, "cache", "download", filepath.FromSlash(modulePath), "@v", version+".*"))
	require.NoError(t, err)
	for _, name := range downloads {
		require.NoError(t, os.Remove(name))
	}
}
