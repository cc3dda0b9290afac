package eng

import (
	"cmp"
	"io"
	"strings"
	"time"

	"github.com/iansmith/parigot/pluginsdk/status"
)

// GuestOption changes how [Host.Compile] compiles a guest.
type GuestOption interface{ applyGuest(*guestConfig) }

type guestConfig struct {
	trusted     bool
	grants      *Grants
	memoryLimit uint64
	hostMemory  uint64
	openFiles   int
	disk        uint64
	stackLimit  uint64
	budget      time.Duration
}

// within fills in the limits that a guest has from those for all, which are also the most.
func (c *guestConfig) within(h hostConfig) {
	c.hostMemory = min(cmp.Or(c.hostMemory, h.hostMemory), h.hostMemory)
	c.stackLimit = min(cmp.Or(c.stackLimit, h.stackLimit), h.stackLimit)
	c.openFiles = min(cmp.Or(c.openFiles, h.openFiles), h.openFiles, maxDescriptor+1)
	c.disk = min(cmp.Or(c.disk, h.disk), h.disk)
}

type guestOption func(*guestConfig)

func (o guestOption) applyGuest(c *guestConfig) { o(c) }

// Trusted leaves out the checks that let a guest be stopped at any point. That saves
// what docs/rationale.md has figures of: little where much is done between two checks, up
// to half of the time in loops and functions of few instructions. But a guest that loops
// for ever cannot be stopped, and as the host's garbage collector waits for it,
// it takes the host with it. All processors compile it, which is faster, but a panic in the
// compiler ends the host. Use it for guests you would link into the host.
func Trusted() GuestOption {
	return guestOption(func(c *guestConfig) { c.trusted = true })
}

// GuestMemoryLimit bounds the memory of each instance of a guest, as [WithMemoryLimit]
// does for all. More than that has no effect. The default, and 0, is the limit for all.
func GuestMemoryLimit(bytes uint64) GuestOption {
	return guestOption(func(c *guestConfig) { c.memoryLimit = bytes })
}

// GuestHostMemoryLimit bounds what the host holds in memory for each instance of a guest,
// as [WithHostMemoryLimit] does for all. More than that has no effect. The default, and 0,
// is the limit for all.
func GuestHostMemoryLimit(bytes uint64) GuestOption {
	return guestOption(func(c *guestConfig) { c.hostMemory = bytes })
}

// GuestMaxOpenFiles bounds the files that each instance of a guest has open, as
// [WithMaxOpenFiles] does for all. More than that has no effect. The default, and 0, is the
// limit for all.
func GuestMaxOpenFiles(files int) GuestOption {
	return guestOption(func(c *guestConfig) { c.openFiles = files })
}

// GuestDiskLimit bounds what each instance of a guest adds to its directories, as
// [WithDiskLimit] does for all. More than that has no effect. The default, and 0, is the limit
// for all.
func GuestDiskLimit(bytes uint64) GuestOption {
	return guestOption(func(c *guestConfig) { c.disk = bytes })
}

// GuestStackLimit bounds the stack of each instance of a guest, as [WithStackLimit] does for
// all. More than that has no effect. The default, and 0, is the limit for all.
func GuestStackLimit(bytes uint64) GuestOption {
	return guestOption(func(c *guestConfig) { c.stackLimit = bytes })
}

// GuestCallBudget sets how long a call of the guest may take when its method does not
// say, instead of [WithCallBudget]. The default, and 0, is the budget of the engine; a
// negative budget means that calls may take for ever.
func GuestCallBudget(d time.Duration) GuestOption {
	return guestOption(func(c *guestConfig) { c.budget = d })
}

// RunOption changes how an instance of a guest is started.
type RunOption interface{ applyRun(*runConfig) }

type runConfig struct {
	args           []string
	env            [][2]string
	stdin          io.Reader
	stdout, stderr io.Writer
	mounts         []mount
	onStart        func(Caller)
	usage          *Usage
	diskUsed       uint64
}

type runOption func(*runConfig)

func (o runOption) applyRun(c *runConfig) { o(c) }

// newRunConfig collects opts, and refuses what WASI cannot represent.
func newRunConfig(opts []RunOption) (c runConfig, err error) {
	for _, o := range opts {
		o.applyRun(&c)
	}
	for _, arg := range c.args {
		if strings.ContainsRune(arg, 0) {
			return c, status.Errorf(status.InvalidArgument, "the argument %q has a NUL", arg)
		}
	}
	for _, kv := range c.env {
		if kv[0] == "" || strings.ContainsAny(kv[0], "=\x00") || strings.ContainsRune(kv[1], 0) {
			return c, status.Errorf(status.InvalidArgument, "%q=%q cannot be in an environment", kv[0], kv[1])
		}
	}
	return c, nil
}

// WithArgs sets the arguments of the guest, without the name of the program,
// which is the guest's name. The default is none. An argument with a NUL is
// INVALID_ARGUMENT when the guest starts.
func WithArgs(args ...string) RunOption {
	return runOption(func(c *runConfig) { c.args = args })
}

// WithEnv adds a variable to the guest's environment. Otherwise that has GOMEMLIMIT, which
// tells the garbage collector of a Go guest how much memory it has, and GOGC where that
// is much; give them here, or have the guest set them, to set them otherwise. Of the
// host's own environment nothing is seen. A key that is empty or has an "=", and a NUL,
// are INVALID_ARGUMENT when the guest starts.
func WithEnv(key, value string) RunOption {
	return runOption(func(c *runConfig) { c.env = append(c.env, [2]string{key, value}) })
}

// WithStdin sets what the guest reads as its standard input. The default is nothing.
//
// A guest that waits for an [os.File] is stopped at once when its context ends; the read goes
// on alone and drops the bytes that it gets. With any other reader the guest is stopped when
// Read returns.
func WithStdin(r io.Reader) RunOption {
	return runOption(func(c *runConfig) { c.stdin = r })
}

// WithStdout sets where the guest's standard output goes. The default is nowhere. A writer that
// is given to several instances must be safe for concurrent use.
//
// A slow writer blocks the guest. If it is an [os.File], the guest is stopped at once when its
// context ends, and up to 64 KiB of the write under way may still reach the file. With any
// other writer the guest is stopped when Write returns. If a write fails, the guest gets an
// errno; but a broken pipe at the file descriptors 1 and 2 ends the host, as it ends any Go
// program that does not ignore SIGPIPE.
func WithStdout(w io.Writer) RunOption {
	return runOption(func(c *runConfig) { c.stdout = w })
}

// WithStderr sets where the guest's standard error goes, as [WithStdout] does.
func WithStderr(w io.Writer) RunOption {
	return runOption(func(c *runConfig) { c.stderr = w })
}

// WithOnStart has fn called with who the instance is to plugins, before its first
// instruction, on the goroutine that starts it. The default and nil mean that nobody
// wants to know.
func WithOnStart(fn func(Caller)) RunOption {
	return runOption(func(c *runConfig) { c.onStart = fn })
}
