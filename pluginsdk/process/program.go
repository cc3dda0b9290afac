package process

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/iansmith/parigot/pluginsdk/status"
)

// command returns the program in the mode, with the descriptors that it inherits from 3 on.
func (s *settings) command(mode string, files ...*os.File) (*exec.Cmd, error) {
	path, err := filepath.Abs(s.path)
	if err != nil {
		return nil, status.Wrap(status.FailedPrecondition, err, "find the plugin")
	}
	cmd := exec.Command(path, s.args...) //nolint:noctx // it outlives the start; kill ends it
	cmd.Env = append(environment(s.env), modeVariable+"="+mode)
	cmd.ExtraFiles = files
	return cmd, nil
}

func environment(env []string) []string {
	if len(env) == 0 {
		return os.Environ()
	}
	return env[:len(env):len(env)]
}

// startError is the error of a program that the system does not start. It says what to do
// where the system does not.
func startError(path string, err error) error {
	if hint := startHint(path, err); hint != "" {
		err = fmt.Errorf("%w: %s", err, hint)
	}
	return status.Wrap(status.FailedPrecondition, err, "start the plugin")
}

func startHint(path string, err error) string {
	info, statErr := os.Stat(path)
	switch {
	case statErr != nil:
		return ""
	case info.IsDir():
		return "it is a directory"
	case info.Mode().IsRegular() && isWasm(path):
		return "it is a WebAssembly module, which is a guest and no plugin: in a deployment file it belongs to guests"
	case errors.Is(err, syscall.ENOEXEC):
		return foreignHint(path)
	case errors.Is(err, syscall.ETXTBSY):
		return "a program is writing the file: wait until it is complete"
	case errors.Is(err, fs.ErrPermission) && info.Mode().Perm()&0o111 == 0:
		return "it is not executable: run chmod +x " + path
	case errors.Is(err, fs.ErrPermission):
		return "its mode allows it: the file system may be mounted noexec, or belong to another user"
	case errors.Is(err, fs.ErrNotExist):
		if needs := interpreter(path); needs != "" {
			return "the file is there, but not " + quoted(needs) + ", which it is run with"
		}
	}
	return ""
}

func isWasm(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	magic := make([]byte, 4)
	_, err = io.ReadFull(f, magic)
	return err == nil && string(magic) == "\x00asm"
}

// foreignHint says what a file is that is no program of this system.
func foreignHint(path string) string {
	const build = "build it here with parigot plugin build --placement process, or with GOOS=" + runtime.GOOS + " GOARCH=" + runtime.GOARCH
	f, err := elf.Open(path)
	if err != nil {
		return "it is no program of " + runtime.GOOS + ": " + build
	}
	defer func() { _ = f.Close() }()
	return fmt.Sprintf("it is built for the processor %s, and this is %s: %s", strings.TrimPrefix(f.Machine.String(), "EM_"), runtime.GOARCH, build)
}

// interpreter returns the program that a script or an executable says it is run with; "" if
// it names none.
func interpreter(path string) string {
	if f, err := elf.Open(path); err == nil {
		defer func() { _ = f.Close() }()
		for _, p := range f.Progs {
			if p.Type == elf.PT_INTERP {
				name, _ := io.ReadAll(io.LimitReader(p.Open(), maxQuotedLine))
				return string(bytes.TrimRight(name, "\x00"))
			}
		}
		return ""
	}
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	head := make([]byte, maxQuotedLine)
	n, _ := io.ReadFull(f, head)
	line, _, _ := strings.Cut(string(head[:n]), "\n")
	name, ok := strings.CutPrefix(line, "#!")
	if fields := strings.Fields(name); ok && len(fields) > 0 {
		return fields[0]
	}
	return ""
}
