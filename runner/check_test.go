package runner

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/examples/file"
	"github.com/iansmith/parigot/examples/queue"
	"github.com/iansmith/parigot/examples/syscall"
	"github.com/iansmith/parigot/internal/contract"
	"github.com/iansmith/parigot/internal/deploy"
	"github.com/iansmith/parigot/internal/guesttest"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/parigotpb/contractpb"
	"github.com/iansmith/parigot/pluginsdk/process"
)

var update = flag.Bool("update", false, "write the golden files")

// TestMain makes the test program a program that has the plugins of the examples, and, under
// the name of one of them, that plugin in a process of its own.
func TestMain(m *testing.M) {
	for name, p := range map[string]pluginsdk.ParigotInit{
		"file": file.ParigotInitialize, "queue": queue.ParigotInitialize, "syscall": syscall.ParigotInitialize,
	} {
		if process.IsPlugin() && filepath.Base(os.Args[0]) == name {
			process.Main(p)
		}
		pluginsdk.Register(name, p)
	}
	pluginsdk.Register("hangs", hangs)
	os.Exit(m.Run())
}

// hangs is a plugin whose Init takes its time.
var hangs = &hangingPlugin{entered: make(chan struct{}), release: make(chan struct{})}

type hangingPlugin struct{ entered, release chan struct{} }

// Init implements [pluginsdk.ParigotInit]. It may be called once.
func (p *hangingPlugin) Init(context.Context, eng.Engine) bool {
	close(p.entered)
	<-p.release
	return true
}

// deployments copies testdata/check into a folder of its own, with the guests of the
// example syscall, and other.wasm, which means something else by a greeting.
func deployments(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS("testdata/check")))
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	require.NoError(t, err)
	for _, name := range files {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		text = append([]byte("engine: {cache_dir: "+guesttest.CacheDir(t)+"}\n"), text...)
		require.NoError(t, os.WriteFile(name, text, 0o600))
	}
	write := func(name string, module []byte, change func(*contractpb.Contract)) {
		c, _, err := contract.Of(module)
		require.NoError(t, err)
		m := c.Proto()
		change(m)
		c, err = contract.Parse(m)
		require.NoError(t, err)
		module, err = contract.Append(module, c)
		require.NoError(t, err)
		guesttest.Warm(t, module, 0)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), module, 0o600))
	}
	program, err := os.Executable()
	require.NoError(t, err)
	require.NoError(t, os.Symlink(program, filepath.Join(dir, "file")))
	dying := "#!/bin/sh\necho 'panic: TOKEN is not set: get one at the desk' >&2\nexit 2\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "dying"), []byte(dying), 0o700)) //nolint:gosec // it is a program
	greeting := guesttest.Build(t, "../examples/syscall/guest/greeting")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "bare.wasm"), greeting, 0o600)) // has no contract
	write("greeting.wasm", greeting, func(*contractpb.Contract) {})
	write("hello.wasm", guesttest.Build(t, "../examples/syscall/guest/hello"), func(*contractpb.Contract) {})
	write("other.wasm", greeting, func(m *contractpb.Contract) {
		for _, s := range m.GetServices() {
			if s.GetName() == "greeting.v1.Greeting" {
				s.Hash, s.GoModule.Version = make([]byte, 32), "v2.0.0"
			}
		}
		for _, f := range m.GetDescriptors().GetFile() {
			for _, message := range f.GetMessageType() {
				if f.GetPackage() == "greeting.v1" && message.GetName() == "GreetRequest" {
					message.Field[0].Type = message.GetField()[0].GetType().Enum()
					*message.Field[0].Type = 1 // double
				}
			}
		}
	})
	return dir
}

// TestCheck: each file has exactly the findings beside it, with the lines to add.
func TestCheck(t *testing.T) {
	t.Parallel()
	dir := deployments(t)
	for name, want := range map[string]int{"right": exitOK, "circle": exitOK, "wrong": exitFailed, "refused": exitFailed, "other": exitFailed, "process": exitFailed, "dying": exitFailed, "typos": exitFailed} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := parigot(t, "check", filepath.Join(dir, name+".yaml"))
			require.Equal(t, want, code, stderr)
			got := strings.ReplaceAll(stdout+stderr, dir+string(filepath.Separator), "")
			got = regexp.MustCompile(`SHA-256 [0-9a-f]{64}`).ReplaceAllString(got, "SHA-256 (of the guest)") // any change changes it
			golden := filepath.Join("testdata/check", name+".txt")
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(got), 0o600))
			}
			text, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(text), got)
		})
	}
	code, stdout, stderr := parigot(t, "check", "--json", filepath.Join(dir, "other.yaml"))
	require.Equal(t, exitFailed, code)
	require.Empty(t, stderr)
	var findings []deploy.Finding
	require.NoError(t, json.Unmarshal([]byte(stdout), &findings))
	require.Len(t, findings, 1)
	require.Equal(t, "guests[1].wasm", findings[0].Field)
	code, stdout, _ = parigot(t, "check", "--json", filepath.Join(dir, "right.yaml"))
	require.Equal(t, exitOK, code)
	require.Equal(t, "[]\n", stdout)
}

// TestCheckNothing: without a file it says which one it looks for.
func TestCheckNothing(t *testing.T) {
	t.Parallel()
	code, _, stderr := parigot(t, "check")
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "there is no parigot.yaml here")
	code, _, stderr = parigot(t, "check", filepath.Join(t.TempDir(), "none.yaml"))
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr, "no such file")
}
