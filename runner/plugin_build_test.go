package runner

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/internal/preflight"
	"github.com/iansmith/parigot/pluginsdk/process"
)

const filePlugin = "../examples/file/plugin"

// TestPluginBuild: what it builds fits this program, and nothing else.
func TestPluginBuild(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	so := filepath.Join(dir, "new", "file.so")
	code, stdout, stderr := parigot(t, "plugin", "build", "-o", so, filePlugin)
	if err := preflight.Supported(); err != nil {
		require.Equal(t, exitFailed, code)
		require.Contains(t, stderr, err.Error())
		return
	}
	require.Equal(t, exitOK, code, stderr)
	require.Contains(t, stdout, so+": ")
	require.Contains(t, stdout, "loads in this program")
	require.Contains(t, stderr, "building "+filePlugin+": CGO_ENABLED=1 GOTOOLCHAIN=")
	left, err := os.ReadDir(filepath.Dir(so))
	require.NoError(t, err)
	require.Len(t, left, 1)

	code, stdout, _ = parigot(t, "inspect", so)
	require.Equal(t, exitOK, code)
	require.Contains(t, stdout, "  ParigotInitialize\nloads in this program\n")
}

// TestPluginBuildProcess: a program is built for a process, and inspect says that
// it does not load.
func TestPluginBuildProcess(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "file")
	code, stdout, stderr := parigot(t, "plugin", "build", "--placement=process", "-o", program, filePlugin)
	require.Equal(t, exitOK, code, stderr)
	require.Contains(t, stdout, "runs in a process of its own")
	d, err := process.Describe(t.Context(), program)
	require.NoError(t, err)
	require.Equal(t, "file.v1.File", d.Services[0].Name)

	code, stdout, _ = parigot(t, "inspect", "--json", program)
	require.Equal(t, exitOK, code)
	var found inspection
	require.NoError(t, json.Unmarshal([]byte(stdout), &found))
	require.False(t, found.Fit.Loads)
	require.Len(t, found.Fit.Why, 1)
}

// TestFit: what differs is shown with what to do.
func TestFit(t *testing.T) {
	t.Parallel()
	code, stdout, _ := parigot(t, "plugin", "build", "--help")
	require.Equal(t, exitOK, code)
	require.Contains(t, stdout, "-o build/queue.so ./examples/queue/plugin")
	code, _, stderr := parigot(t, "plugin", "build", "--placement=static", filePlugin)
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, `--placement is "static", want so or process`)
	target, err := pluginBuild{dir: filePlugin, placement: "so"}.target()
	require.NoError(t, err)
	require.Equal(t, "file.so", filepath.Base(target))
}

// TestPluginBuildBeyond: versions of modules are said before the build.
func TestPluginBuildBeyond(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module example.com/p\n\ngo 1.26.7\n\nrequire github.com/spf13/pflag v1.0.9\n\n" +
			"replace github.com/spf13/pflag => " + filepath.Join(dir, "pflag") + "\n",
		"pflag/go.mod":   "module github.com/spf13/pflag\n",
		"pflag/pflag.go": "package pflag\n",
		"main.go":        "package main\n\nimport _ \"github.com/spf13/pflag\"\n\nfunc main() {}\n",
		"lib/lib.go":     "package lib\n",
	} {
		name = filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o700))
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	}
	// A test program does not know its modules.
	program := filepath.Join(dir, "parigot")
	text, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../cmd/parigot").CombinedOutput()
	require.NoError(t, err, string(text))
	text, err = exec.CommandContext(t.Context(), program, "plugin", "build", dir).CombinedOutput()
	require.Error(t, err)
	if preflight.Supported() != nil {
		require.Contains(t, string(text), "this host cannot load Go plugins")
		return
	}
	require.Contains(t, string(text), "cannot fit this program, whatever it is built with:\n  module github.com/spf13/pflag: host v1.")
	require.Contains(t, string(text), "pflag (devel): have the same replace directive in both go.mod files")
	require.NotContains(t, string(text), "building ")
	code, _, stderr := parigot(t, "plugin", "build", filepath.Join(dir, "lib"))
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr, "has the package lib, want a package main")
}
