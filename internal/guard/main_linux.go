package guard

import (
	"encoding/binary"
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// argv0 makes a guard of an executable that links this package.
const argv0 = "parigot-guard"

// The descriptors of a guard: its socket, and those of the program from firstFile on.
const (
	socketFile = 3
	firstFile  = 4
)

// longestEnd is how long a guard tries to end what it guards. A process that no signal reaches,
// as it waits for a broken disk, is then left to the system.
const longestEnd = 5 * time.Second

func init() {
	if len(os.Args) > 3 && os.Args[0] == argv0 {
		os.Exit(guard(os.Args[1], os.Args[2], os.Args[3:])) //nolint:forbidigo // this process is the guard and nothing else
	}
}

// guard runs a program and ends all of its descendants when it ends, or the socket does.
func guard(files, path string, args []string) (exitCode int) {
	// The program is killed if this thread ends, so that it does not outlive its guard.
	runtime.LockOSThread()
	n, err := strconv.Atoi(files)
	if err != nil || unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != nil {
		return 1
	}
	// None of these ends the guard without ending the program.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGCHLD, unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGQUIT)
	pid, err := start(n, path, args)
	if err != nil {
		errno := syscall.EIO
		_ = errors.As(err, &errno)
		tell(-int32(errno))
		return 0
	}
	tell(int32(pid))
	p := &program{pid: pid}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = unix.Read(socketFile, make([]byte, 1)) // nothing is ever written
	}()
	for end := false; !end; {
		select {
		case s := <-signals:
			p.reap()
			end = p.ended || s != unix.SIGCHLD
		case <-gone:
			end = true
		}
	}
	p.endAll()
	return 0
}

// start starts the program, with n files, and frees what the guard needs no longer: whoever reads
// what the program prints is to see its end.
func start(n int, path string, args []string) (pid int, err error) {
	files := []uintptr{0, 1, 2}
	syscall.CloseOnExec(socketFile)
	for fd := firstFile; fd < firstFile+n; fd++ {
		syscall.CloseOnExec(fd)
		files = append(files, uintptr(fd))
	}
	pid, err = syscall.ForkExec(path, args, &syscall.ProcAttr{
		Env: os.Environ(), Files: files,
		Sys: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL},
	})
	for fd := firstFile; fd < firstFile+n; fd++ {
		_ = syscall.Close(fd)
	}
	if null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0); err == nil {
		for fd := range 3 {
			_ = unix.Dup3(int(null.Fd()), fd, 0)
		}
	}
	return pid, err
}

// tell writes a number to whoever started the guard.
func tell(n int32) {
	_, _ = unix.Write(socketFile, binary.LittleEndian.AppendUint32(nil, uint32(n)))
}

// program is what a guard guards.
type program struct {
	pid   int
	ended bool
}

// reap waits for the children that have ended, and tells how the program did. It is true when
// there are no children.
func (p *program) reap() (none bool) {
	for {
		var state unix.WaitStatus
		pid, err := unix.Wait4(-1, &state, unix.WNOHANG, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return true
		case pid == 0:
			return false
		case pid == p.pid:
			p.ended = true
			tell(int32(state))
		}
	}
}

// endAll kills the children until there are none. A child's own children become the guard's.
func (p *program) endAll() {
	for limit := time.Now().Add(longestEnd); time.Now().Before(limit); time.Sleep(time.Millisecond) {
		for _, pid := range children() {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		if p.reap() {
			return
		}
	}
}

// children returns the children of this process.
func children() (pids []int) {
	self := strconv.Itoa(os.Getpid())
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		// The name may have any character; then come the state and the parent.
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if len(fields) > 1 && fields[1] == self {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			pids = append(pids, pid)
		}
	}
	return pids
}
