//go:build unix

package guard

import (
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

// direct is a program without a guard.
type direct struct {
	pid  int
	done chan struct{} // closed when it has ended
	err  error         // how; set before done is closed

	mu    sync.Mutex
	ended bool // its number may belong to somebody else
}

func startDirect(cmd *exec.Cmd) (*Process, error) {
	cmd.SysProcAttr = attributes()
	d := &direct{done: make(chan struct{})}
	begun := make(chan error)
	go d.run(cmd, begun)
	if err := <-begun; err != nil {
		return nil, err
	}
	return &Process{Pid: d.pid, running: d}, nil
}

// run starts the program, tells begun, and waits for its end.
func (d *direct) run(cmd *exec.Cmd, begun chan<- error) {
	// Where the program ends with this process, it ends with the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		begun <- err
		return
	}
	d.pid = cmd.Process.Pid
	begun <- nil
	if awaitExit(d.pid) {
		d.kill() // while the number is that of the program
	}
	if d.err = cmd.Wait(); d.err == nil {
		d.err = ended{"exit status 0"}
	}
	d.kill()
	d.mu.Lock()
	d.ended = true
	d.mu.Unlock()
	close(d.done)
}

func (d *direct) wait() error {
	<-d.done
	return d.err
}

func (d *direct) kill() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.ended {
		killGroup(d.pid)
	}
}

// killGroup ends all processes of the group that pid leads.
func killGroup(pid int) {
	// An error means that there is none left.
	_ = syscall.Kill(-pid, syscall.SIGKILL)
}
