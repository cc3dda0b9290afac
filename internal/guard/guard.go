// Package guard runs a program so that nothing it starts outlives it, or this process.
//
// On Linux a guard stands between this process and the program: this executable, started
// again. The guard is the subreaper of its descendants, so the kernel gives it every process
// whose parent ends, also one in a session of its own. When the program ends, when [Process.Kill]
// is called, and when this process is gone, killed with SIGKILL for example, the guard kills all
// of them.
//
// On other systems, and if this executable cannot be the guard, the program is a child of this
// process, and its process group is killed when it ends: see [Supported].
package guard

import "os/exec"

// Process is a program that was started.
type Process struct {
	// Pid is the number of the program's process.
	Pid int

	running
}

// running is a program under a guard, or without one.
type running interface {
	wait() error
	kill()
}

// Start starts the program of cmd, of which Path, Args, Env, Stdout, Stderr and ExtraFiles count;
// the two outputs are files. The error is that of package os. [Process.Wait] must be called.
func Start(cmd *exec.Cmd) (*Process, error) {
	if Supported() {
		return startGuarded(cmd)
	}
	return startDirect(cmd)
}

// Wait waits until the program has ended and everything it started is killed. The error says how
// the program ended, in the words of package os, and is never nil: "exit status 0".
func (p *Process) Wait() error { return p.wait() }

// Kill kills the program and everything it started. It does not wait. Safe for concurrent use,
// and after the end, when it does nothing, nor does it for the zero value.
func (p *Process) Kill() {
	if p.running != nil {
		p.kill()
	}
}

// ended is how a program ended.
type ended struct{ state string }

func (e ended) Error() string { return e.state }
