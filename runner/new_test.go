package runner

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNew: the project has all its files, passes its own tests and grows with its proto
// file. internal/walk runs it with a released module, and its demo.
func TestNew(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	dir := filepath.Join(t.TempDir(), "deep", "hello")
	code, stdout, stderr := parigot(t, "new", "hello", "--dir", dir, "--module", "example.com/x/y", "--parigot", root)
	require.Equal(t, exitOK, code, stderr)
	require.Contains(t, stdout, "make demo")
	require.Contains(t, stderr, "==> go mod tidy")
	for _, name := range []string{
		"proto/hello/v1/hello.proto", "gen/hello/v1/hello.pb.go", "gen/hello/v1/hellov1parigot/hello_host_parigot.pb.go",
		"hello/impl_hello.go", "hello/impl_hello_test.go", "guest/main.go", "host/main.go", "parigot.yaml", "hello/plugin/main.go",
		"go.mod", "go.sum", "go.work", "buf.yaml", "buf.gen.yaml", "Makefile", "README.md", ".gitignore",
	} {
		require.FileExists(t, filepath.Join(dir, name))
	}
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		return string(text)
	}
	goMod := read("go.mod")
	require.NotContains(t, goMod, "replace", "a folder of this machine")
	require.NotContains(t, goMod, root)
	require.Contains(t, goMod, "// go.work says where it is\n")
	require.Contains(t, read("go.work"), "\nreplace github.com/iansmith/parigot => "+root+"\n")
	require.Contains(t, read(".gitignore"), "\n/go.work\n")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.sum"), nil, 0o600))
	do := func(dir, name string, args ...string) string {
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOFLAGS=")
		text, err := cmd.CombinedOutput()
		require.NoError(t, err, string(text))
		return string(text)
	}
	do(dir, "make", "tidy")
	require.Equal(t, goMod, read("go.mod"))
	do(dir, "go", "test", "./hello")
	require.Empty(t, do(dir, "gofmt", "-l", "."), "files that gofmt would change")

	buf := "BUF=" + strings.TrimSpace(do(root, "env", "CGO_ENABLED=0", "go", "tool", "-modfile=tools/go.mod", "-n", "buf"))
	do(dir, "git", "init", "-q")
	do(dir, "git", "add", ".")
	do(dir, "make", "generate", buf)
	require.Empty(t, do(dir, "git", "ls-files", "--others", "--exclude-standard"), "all files are there from the beginning")
	require.Empty(t, do(dir, "git", "diff", "--name-only", "--", ":!gen"), "the files of people stay as they are")
	const rpc = "  rpc Greet(GreetRequest) returns (GreetResponse);\n"
	const proto = "proto/hello/v1/hello.proto"
	grown := strings.Replace(read(proto), rpc, rpc+"  rpc Part(GreetRequest) returns (GreetResponse);\n", 1)
	require.NoError(t, os.WriteFile(filepath.Join(dir, proto), []byte(grown), 0o600))
	require.Contains(t, do(dir, "make", "generate", buf), "hello/impl_hello.go: 1 method added\n")
	require.Contains(t, read("hello/impl_hello.go"), "\nfunc (p *HelloPlugin) Part(")
	do(dir, "go", "vet", "./hello/...")

	code, _, stderr = parigot(t, "new", "hello", "--dir", dir, "--parigot", root)
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "hello is not empty: name another one with --dir")
}

// TestNewRefuses: what cannot work is told before anything is written.
func TestNewRefuses(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	for want, args := range map[string][]string{
		`"my-plugin" cannot be the name of a plugin`:           {"my-plugin", "--parigot", ".."},
		`; the module path goes in --module`:                   {"example.com/shop/store", "--parigot", ".."},
		`"Hello" cannot be the name of a plugin`:               {"Hello", "--parigot", ".."},
		`"func" cannot be the name of a plugin: Go`:            {"func", "--parigot", ".."},
		`"string" cannot be the name of a plugin: Go`:          {"string", "--parigot", ".."},
		`"host" cannot be the name of a plugin: Go`:            {"host", "--parigot", ".."},
		`"a b" cannot be the path of a module`:                 {"hello", "--module", "a b", "--parigot", ".."},
		"is no checkout of github.com/iansmith/parigot: there": {"hello", "--parigot", "testdata/none"},
	} {
		code, _, stderr := parigot(t, append([]string{"new", "--dir", filepath.Join(parent, "x")}, args...)...)
		require.Equal(t, exitUsage, code, stderr)
		require.Contains(t, stderr, want)
	}
	// Without a module proxy that has Parigot, "go mod tidy" fails.
	fake := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(fake, "go.mod"), []byte("module github.com/iansmith/parigot\n"), 0o600))
	code, _, stderr := parigot(t, "new", "hello", "--dir", filepath.Join(parent, "x"), "--parigot", fake)
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr, "go mod tidy: ")
	left, err := os.ReadDir(parent)
	require.NoError(t, err)
	require.Empty(t, left, "nothing is half written")
}

// TestReleased: a version counts when a module proxy has it.
func TestReleased(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		info debug.BuildInfo
		want string
	}{
		{debug.BuildInfo{Main: debug.Module{Path: parigotModule, Version: "v1.2.3", Sum: "h1:x"}}, "v1.2.3"},
		{debug.BuildInfo{Main: debug.Module{Path: parigotModule, Version: "v0.0.0-20260101000000-0123456789ab"}}, ""},
		{debug.BuildInfo{Main: debug.Module{Path: parigotModule, Version: "(devel)"}}, ""},
		{debug.BuildInfo{Main: debug.Module{Path: "m"}, Deps: []*debug.Module{{Path: parigotModule, Version: "v1.2.3"}}}, "v1.2.3"},
		{debug.BuildInfo{Main: debug.Module{Path: "m"}, Deps: []*debug.Module{{Path: parigotModule, Version: "v1.2.3", Replace: &debug.Module{Path: "/x"}}}}, ""},
	} {
		require.Equal(t, c.want, released(&c.info))
	}
}
