package runner

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/internal/contract"
	"github.com/iansmith/parigot/internal/wasm"
	"github.com/iansmith/parigot/pluginsdk/parigotpb/contractpb"
)

// TestGuestBuild: the module has its contract, and errors are those of go build.
func TestGuestBuild(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	code, stdout, stderr := parigot(t, "guest", "build", "-o", dir, "-ldflags=-s", "../examples/queue/guest")
	require.Equal(t, exitOK, code, stderr)
	require.Empty(t, stderr)
	file := filepath.Join(dir, "guest.wasm")
	require.Contains(t, stdout, file+": ")
	// The version depends on what git says of the tree: see TestVersionControl of internal/walk.
	require.Regexp(t, `(?m)^  calls    queue\.v1\.Queue of github\.com/iansmith/parigot (\(devel\)|v\S+): CreateQueue, Length, Locate, MarkDone, Receive, Send$`, stdout)
	module, err := os.ReadFile(file)
	require.NoError(t, err)
	c, err := contract.Read(module)
	require.NoError(t, err)
	require.Equal(t, "queue.v1.Queue", c.Proto().GetServices()[0].GetName())

	broken := filepath.Join(dir, "broken")
	require.NoError(t, os.Mkdir(broken, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(broken, "go.mod"), []byte("module example.com/broken\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(broken, "main.go"), []byte("package main\n\nfunc main() { nothing() }\n"), 0o600))
	code, stdout, stderr = parigot(t, "guest", "build", "-C", broken, "-o", file, ".")
	require.Equal(t, exitFailed, code)
	require.Empty(t, stdout)
	require.Contains(t, stderr, "main.go:3:15: undefined: nothing")
	again, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, module, again, "a build that fails changes nothing")
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 2)
}

func TestGuestBuildUsage(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"name the package to build": nil,
		"-o needs a value":          {"./guest", "-o"},
	} {
		code, _, stderr := parigot(t, append([]string{"guest", "build"}, args...)...)
		require.Equal(t, exitUsage, code)
		require.Contains(t, stderr, want)
	}
	code, stdout, _ := parigot(t, "guest", "build", "--help")
	require.Equal(t, exitOK, code)
	require.Contains(t, stdout, "-o build/app.wasm -tags prod ./guest")
	code, _, stderr := parigot(t, "guest", "build", "../pluginsdk/status")
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr, "no main packages to build")
}

// buildGuest builds the queue's guest, without a contract and without what git says of the tree.
func buildGuest(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "guest.wasm")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", file, "../examples/queue/guest")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=")
	text, err := cmd.CombinedOutput()
	require.NoError(t, err, string(text))
	return file
}

// TestInspectGuest: all that is in a guest, for people and for programs.
func TestInspectGuest(t *testing.T) {
	t.Parallel()
	file := buildGuest(t)
	code, stdout, stderr := parigot(t, "inspect", file)
	require.Equal(t, exitOK, code, stderr)
	for _, want := range []string{
		"guest.wasm: a guest of ", "from github.com/iansmith/parigot/examples/queue/guest\n",
		"  queue.v1.Queue: CreateQueue, Length, ", "exports\n  _start, memory, parigot.offers, parigot.run, parigot.serve\n", ", and as much more as the host allows\n",
		" code\n", "  google.golang.org/protobuf/internal/impl\n", "  google.golang.org/protobuf v1.",
		"no contract: build it with \"parigot guest build\", and it would have\n  calls    queue.v1.Queue of ",
	} {
		require.Contains(t, stdout, want)
	}
	code, stdout, stderr = parigot(t, "inspect", "--json", file)
	require.Equal(t, exitOK, code, stderr)
	var found map[string]any
	require.NoError(t, json.Unmarshal([]byte(stdout), &found))
	require.Equal(t, "guest", found["kind"])
	require.Equal(t, false, found["contract_section"])
	require.Contains(t, found["memory"], "min")
	require.Contains(t, found["contract"], "services")
	sum := wasm.Preamble
	sections, ok := found["sections"].([]any)
	require.True(t, ok)
	for _, s := range sections {
		size, ok := s.(map[string]any)["size"].(float64)
		require.True(t, ok)
		sum += int(size)
	}
	require.EqualValues(t, found["size"], sum, "the sections make up the file")
}

// TestInspectHarmless: names in a file do nothing on a terminal but be seen, and are on one line.
func TestInspectHarmless(t *testing.T) {
	t.Parallel()
	const name = "a\n\x1b[2J"
	i := &inspection{
		File: "f", Kind: "plugin", Modules: []moduleInfo{{Path: name, Version: name}}, Settings: map[string]string{name: name},
		Imports: []importInfo{{name, []string{name}}}, Exports: []string{name}, Notes: []string{name}, Fit: &fitInfo{Why: []string{name}},
	}
	d := &changes{Incompatible: []string{name}, Imports: []string{name}, Exports: []string{name}, Sizes: []sizeInfo{{name, 1}}}
	var text strings.Builder
	i.text(&text)
	d.text(&text)
	writeSizes(&text, d.Sizes)
	require.Equal(t, 14, strings.Count(text.String(), `a\n\x1b[2J`), text.String())
	require.NotContains(t, text.String(), "\x1b")
	require.NotContains(t, text.String(), "a\n")
}

// TestInspectDiff: what does not fit is a failure.
func TestInspectDiff(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	old, err := os.ReadFile(buildGuest(t))
	require.NoError(t, err)
	c, _, err := contract.Of(old)
	require.NoError(t, err)
	write := func(name string, change func(*contractpb.Contract)) string {
		m := c.Proto()
		change(m)
		changed, err := contract.Parse(m)
		require.NoError(t, err)
		module, err := contract.Append(old, changed)
		require.NoError(t, err)
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, module, 0o600))
		return file
	}
	before := write("old.wasm", func(*contractpb.Contract) {})
	code, stdout, stderr := parigot(t, "inspect", "--diff", before, before)
	require.Equal(t, exitOK, code, stderr)
	require.NotContains(t, stdout, "incompatible")

	after := write("new.wasm", func(m *contractpb.Contract) {
		m.Modules[0].Version, m.Services[0].Hash = "v9.9.9", make([]byte, 32)
		for _, f := range m.GetDescriptors().GetFile() {
			for _, message := range f.GetMessageType() {
				for _, field := range message.GetField() {
					if message.GetName() == "ReceiveRequest" && field.GetName() == "limit" {
						field.Type = field.GetType().Enum()
						*field.Type = 1 // double
					}
				}
			}
		}
	})
	code, stdout, stderr = parigot(t, "inspect", "--diff", before, after)
	require.Equal(t, exitFailed, code)
	require.Empty(t, stderr)
	require.Contains(t, stdout, "incompatible\n  queue.v1.Queue.Receive: field ReceiveRequest.limit (2) was uint32, is double\n")
	require.Contains(t, stdout, "github.com/iansmith/parigot: (devel), now v9.9.9")
	code, stdout, _ = parigot(t, "inspect", "--json", "--diff", before, after)
	require.Equal(t, exitFailed, code)
	var d changes
	require.NoError(t, json.Unmarshal([]byte(stdout), &d))
	require.Len(t, d.Incompatible, 1)
	require.Equal(t, "file", d.Sizes[0].Name)
}

func TestInspectNothing(t *testing.T) {
	t.Parallel()
	code, _, stderr := parigot(t, "inspect", "../go.mod")
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr, "it is neither a WebAssembly module nor a program of Go")
	code, _, stderr = parigot(t, "inspect", filepath.Join(t.TempDir(), "none"))
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr, "no such file")
}
