package walk

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const root = "../.."

// TestVersionControl: what the go command finds out from git changes what parigot says of itself
// and of the guests that it builds, and no test depends on it. .ci/states runs more tests so.
func TestVersionControl(t *testing.T) {
	t.Parallel()
	w := &walker{t: t, dir: copyRepository(t), env: []string{"GOFLAGS=", "GOENV=off"}}
	const git = "git -c user.name=a -c user.email=a@example.com -c init.defaultBranch=main "
	for _, state := range []struct{ name, commands, version string }{
		{"an archive", "true", `version and commit unknown: built without version control information`},
		{"a clone", git + "init -q\ngit add .\n" + git + "commit -q -m all", `v0\.0\.0-\d{14}-[0-9a-f]{12}, commit [0-9a-f]{12}`},
		{"a clone with a tag", git + "tag v1.2.3", `v1\.2\.3, commit [0-9a-f]{12}`},
		{"a dirty tree", "echo >>README.md", `v1\.2\.3\+dirty, commit [0-9a-f]{12}, modified`},
	} {
		t.Log(state.name)
		w.run(state.commands)
		w.run("mkdir -p build\ngo build -o build ./cmd/...\nbuild/parigot version\nbuild/parigot --version\nbuild/protoc-gen-parigot --version")
		require.Regexp(t, `^(parigot `+state.version+`\n){2}protoc-gen-parigot v\S+ \(parigot `+state.version+`\)\n$`, w.output)
		w.run("go test -vet=off -count=1 -run '^(TestGuestBuild|TestInspectDiff)$' ./runner")
	}
}

// copyRepository copies what git tracks, and what is new and not ignored: in an unpacked archive
// all that is there, but what was built.
func copyRepository(t *testing.T) string {
	t.Helper()
	// The generator looks for files that it could hit beside the module and the folder above.
	dir := filepath.Join(t.TempDir(), "above", "parigot")
	for _, name := range sources(t) {
		b, err := os.ReadFile(filepath.Join(root, name))
		if os.IsNotExist(err) {
			continue // deleted, and not committed yet
		}
		require.NoError(t, err)
		to := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(to), 0o750))
		require.NoError(t, os.WriteFile(to, b, 0o700)) // scripts stay executable
	}
	return dir
}

func sources(t *testing.T) (names []string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(root, ".git")); err == nil {
		cmd := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
		cmd.Dir = root
		list, err := cmd.Output()
		require.NoError(t, err)
		return strings.Split(strings.TrimSuffix(string(list), "\x00"), "\x00")
	}
	built := map[string]bool{".wasm": true, ".so": true, ".test": true, ".out": true, ".prof": true} // as .gitignore says
	require.NoError(t, fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case name == "build":
			return fs.SkipDir
		case err == nil && d.Type().IsRegular() && !built[filepath.Ext(name)]:
			names = append(names, name)
		}
		return err
	}))
	return names
}
