package process

import (
	"bytes"
	"cmp"
	"context"
	"debug/elf"
	"encoding/binary"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/iansmith/parigot/pluginsdk/status"
)

// runDying is a program that ends before it has said anything as a plugin.
func runDying(how string) {
	switch how {
	case "panics":
		for range 200 {
			go func() { select {} }() // so that the stacks are longer than what is kept
		}
		panic("TOKEN is not set: get one at the desk\x1b[2J\nparigot.yaml:1:1: forged")
	case "loader":
		_, _ = os.Stderr.WriteString("error while loading shared libraries: libx.so: cannot open shared object file\n")
		os.Exit(127)
	case "lists": // something that is no plugin, and ends well
		_, _ = os.Stdout.WriteString("a file\nanother file\n")
		os.Exit(0)
	case "killed":
		self, _ := os.FindProcess(os.Getpid())
		_ = self.Kill()
		select {}
	case "speaks":
		_, _ = os.NewFile(controlDescriptor, "").Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
		_, _ = os.Stderr.WriteString("who is there?\n")
		select {}
	case "hangs":
		_, _ = os.Stderr.WriteString("waiting for the database at db:5432\n")
		select {}
	}
}

// TestDiesBeforeItSpeaks: what a program said before it ended is the error, and how it ended.
func TestDiesBeforeItSpeaks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name string, mode os.FileMode, text []byte) Option {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, text, mode))
		return withPath(path)
	}
	misbehave := func(how string) Option { return WithEnv("TEST_MISBEHAVE=" + how) }
	for name, tt := range map[string]struct {
		opt  Option
		want []string
		code status.Code
	}{
		"panics":  {misbehave("panics"), []string{"exit status 2", `it wrote: panic: TOKEN is not set: get one at the desk\x1b[2J | parigot.yaml:1:1: forged`}, 0},
		"loader":  {misbehave("loader"), []string{"exit status 127", "; it wrote: error while loading shared libraries: libx.so: cannot open shared object file"}, 0},
		"lists":   {misbehave("lists"), []string{"exit status 0", "it wrote: a file | another file: is it a program whose main function calls process.Main?"}, 0},
		"killed":  {misbehave("killed"), []string{"signal: killed", "and it wrote nothing: is it a program"}, 0},
		"speaks":  {misbehave("speaks"), []string{"it wrote: who is there?"}, 0},
		"hangs":   {misbehave("hangs"), []string{"deadline exceeded; it wrote: waiting for the database at db:5432"}, status.DeadlineExceeded},
		"no mode": {file("no-mode", 0o600, []byte("#!/bin/sh\n")), []string{"permission denied: it is not executable: run chmod +x " + dir}, 0},
		"guest":   {file("guest.wasm", 0o600, []byte("\x00asm\x01\x00\x00\x00")), []string{"it is a WebAssembly module, which is a guest and no plugin: in a deployment file it belongs to guests"}, 0},
		"text":    {file("text", 0o700, []byte("hello")), []string{"exec format error: it is no program of " + runtime.GOOS, "parigot plugin build"}, 0},
		"no interpreter": {
			file("script", 0o700, []byte("#!/no/such/interpreter -x\n")),
			[]string{"the file is there, but not /no/such/interpreter, which it is run with"},
			0,
		},
		"other processor": {file("foreign", 0o700, foreignProgram()), []string{"it is built for the processor S390, and this is " + runtime.GOARCH}, 0},
		"directory":       {withPath(dir), []string{"it is a directory"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opts := []Option{tt.opt}
			if name == "hangs" {
				opts = append(opts, WithStartTimeout(2*time.Second))
			}
			_, describeErr := Describe(context.Background(), self(t), opts...)
			h := newHost(t)
			for what, err := range map[string]error{"Describe": describeErr, "Init": h.start("", opts...)} {
				require.Equal(t, cmp.Or(tt.code, status.FailedPrecondition), status.CodeOf(err), "%s: %v", what, err)
				for _, want := range tt.want {
					require.ErrorContains(t, err, want, what)
				}
				require.Less(t, len(err.Error()), 4000, "bounded")
				require.NotContains(t, err.Error(), "\n")
			}
		})
	}
}

// foreignProgram returns an executable for a processor that no machine with tests has.
func foreignProgram() []byte {
	header := elf.Header64{
		Ident: [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2MSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_EXEC), Machine: uint16(elf.EM_S390), Version: uint32(elf.EV_CURRENT), Ehsize: 64,
	}
	var b bytes.Buffer
	_ = binary.Write(&b, binary.BigEndian, header) // a Buffer has no errors
	return append(b.Bytes(), make([]byte, 64)...)
}

// TestLongLines: the pieces of a line belong together, and no character is cut in two.
func TestLongLines(t *testing.T) {
	t.Parallel()
	type record struct {
		text   string
		goesOn bool
	}
	full, long := strings.Repeat("x", maxOutputLine), strings.Repeat("ü", maxOutputLine)
	for text, want := range map[string][]record{
		"a\nb\r\n\nend":          {{"a", false}, {"b", false}, {"", false}, {"end", false}},
		full + "\n" + "next\n":   {{full, false}, {"next", false}},
		full + "y\n":             {{full, true}, {"y", false}},
		full + full + full + "z": {{full, true}, {full, true}, {full, true}, {"z", false}},
		"x" + long + "\n":        {{"x" + long[:maxOutputLine-2], true}, {long[:maxOutputLine], true}, {"ü", false}},
	} {
		var got []record
		readLines(strings.NewReader(text), func(line string, goesOn bool) { got = append(got, record{line, goesOn}) })
		require.Equal(t, want, got)
	}
	var log bytes.Buffer
	logLine(slog.New(slog.NewTextHandler(&log, nil)), "a piece", true)
	logLine(slog.New(slog.NewTextHandler(&log, nil)), "the end", false)
	require.Regexp(t, `msg="a piece" goes_on=true\n.*msg="the end"\n$`, log.String())
}

// TestCheckConfig: the configuration of a plugin in a process is checked, and nothing is
// initialised.
func TestCheckConfig(t *testing.T) {
	t.Parallel()
	check := func(config string, opts ...Option) error {
		return CheckConfig(context.Background(), self(t), wrapperspb.String(config), opts...)
	}
	d, err := Describe(context.Background(), self(t))
	require.NoError(t, err)
	require.True(t, d.ChecksConfig)
	require.NoError(t, check("panic in Init"))
	require.NoError(t, CheckConfig(context.Background(), self(t), nil))
	require.ErrorIs(t, check("refuse no disk"), status.Of(status.InvalidArgument))
	require.EqualError(t, check("refuse no disk"), "INVALID_ARGUMENT: no disk")
	require.ErrorContains(t, newHost(t).start("refuse no disk"), "plugin test: INVALID_ARGUMENT: no disk", "before Init, too")
	require.ErrorContains(t, check("fall deep"), "panic in CheckConfig: deep")
	require.ErrorIs(t, check("wait", WithStartTimeout(time.Second)), status.Of(status.DeadlineExceeded))
	require.ErrorContains(t, check("good", WithEnv("TEST_MISBEHAVE=panics")), "it wrote: panic: TOKEN is not set")
}
