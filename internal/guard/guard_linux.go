package guard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"sync"
	"syscall"
)

// executable is this program, even if its file was replaced or removed.
const executable = "/proc/self/exe"

// supported is whether this executable can be the guard of a program. It cannot if it is no
// Go program but loads one, or if /proc is missing.
var supported = sync.OnceValue(func() bool {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "-buildmode" && (s.Value == "c-shared" || s.Value == "c-archive") {
				return false
			}
		}
	}
	_, err := os.Stat(executable)
	return err == nil
})

// Supported reports whether this executable can be the guard of a program.
func Supported() bool { return supported() }

// guarded is a program with a guard.
type guarded struct {
	pid    int
	guard  *exec.Cmd
	socket *os.File
	once   sync.Once
}

func startGuarded(cmd *exec.Cmd) (*Process, error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	mine, theirs := os.NewFile(uintptr(fds[0]), "guard"), os.NewFile(uintptr(fds[1]), "guard")
	args := []string{argv0, strconv.Itoa(len(cmd.ExtraFiles)), cmd.Path}
	g := &guarded{socket: mine, guard: &exec.Cmd{
		Path: executable, Args: append(args, cmd.Args...), Env: cmd.Env, Stdout: cmd.Stdout, Stderr: cmd.Stderr,
		ExtraFiles:  append([]*os.File{theirs}, cmd.ExtraFiles...),
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true}, // no terminal signals it
	}}
	err = g.guard.Start()
	if err := errors.Join(err, theirs.Close()); err != nil {
		return nil, errors.Join(err, mine.Close())
	}
	started, err := g.read()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the guard: %w", err), g.release())
	}
	if started < 0 {
		return nil, errors.Join(&os.PathError{Op: "fork/exec", Path: cmd.Path, Err: syscall.Errno(-started)}, g.release())
	}
	g.pid = int(started)
	return &Process{Pid: g.pid, running: g}, nil
}

// read reads a number that the guard has written.
func (g *guarded) read() (int32, error) {
	var b [4]byte
	_, err := io.ReadFull(g.socket, b[:])
	return int32(binary.LittleEndian.Uint32(b[:])), err
}

func (g *guarded) release() error {
	_ = g.guard.Wait() // how it ended does not matter
	return g.socket.Close()
}

func (g *guarded) wait() error {
	state, err := g.read()
	if err != nil { // somebody has killed the guard, and the program ends with it
		killGroup(g.pid)
		err = fmt.Errorf("its guard was killed: %w", err)
	} else {
		err = ended{stateText(syscall.WaitStatus(state))}
	}
	g.kill() // it has none to wait for any more
	return errors.Join(err, g.release())
}

// kill ends the guard's socket, but only for writing: the guard still says how the program ended.
func (g *guarded) kill() {
	g.once.Do(func() {
		if raw, err := g.socket.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { _ = syscall.Shutdown(int(fd), syscall.SHUT_WR) })
		}
	})
}

// stateText is the text that os.ProcessState has.
func stateText(s syscall.WaitStatus) string {
	if !s.Signaled() {
		return fmt.Sprintf("exit status %d", s.ExitStatus())
	}
	text := "signal: " + s.Signal().String()
	if s.CoreDump() {
		text += " (core dumped)"
	}
	return text
}
