package eng

import (
	"cmp"
	"io"
	"log/slog"
	"math"
	"strings"
	"time"

	"github.com/iansmith/parigot/pluginsdk/internal/lograte"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// Defaults of a [Host].
const (
	// DefaultMemoryLimit bounds the memory of one guest instance, in bytes.
	DefaultMemoryLimit = 256 << 20
	// DefaultHostMemoryLimit bounds what the host holds in memory for one guest
	// instance beside its linear memory, in bytes.
	DefaultHostMemoryLimit = 256 << 20
	// DefaultMaxOpenFiles bounds the files and directories that one guest instance has open.
	DefaultMaxOpenFiles = 1024
	// DefaultDiskLimit bounds what one guest instance adds to its directories, in bytes.
	DefaultDiskLimit = 1 << 30
	// DefaultStackLimit bounds the stack of one guest instance, in bytes.
	DefaultStackLimit = 64 << 20
	// DefaultCompileMemory bounds the memory that compiling guests takes, in bytes.
	DefaultCompileMemory = 512 << 20
	// DefaultMaxMessage bounds an encoded request and an encoded response, in
	// bytes.
	DefaultMaxMessage = 64 << 20
	// DefaultMaxDecoded bounds what a request takes when it is decoded, in bytes. A request
	// of [DefaultMaxMessage] bytes has as much again for what is around its contents.
	DefaultMaxDecoded = 128 << 20
	// DefaultCallBudget is how long one call may take.
	DefaultCallBudget = 200 * time.Millisecond
	// DefaultMaxPending bounds the calls that one guest instance has pending.
	DefaultMaxPending = 1024
	// DefaultLogRate bounds the output that reaches the log in a second, in bytes, for each
	// guest of a deployment and each process of a plugin. DefaultLogBurst bounds what does at
	// once, after a pause.
	DefaultLogRate  = 1 << 20
	DefaultLogBurst = 4 << 20
	// DefaultRecordRate bounds the log records of one kind in a second, for each guest.
	DefaultRecordRate = 100
)

// Option changes how [New] makes a [Host].
type Option interface{ applyHost(*hostConfig) }

type hostConfig struct {
	logger      *slog.Logger
	cacheDir    string
	memoryLimit uint64
	hostMemory  uint64
	openFiles   int
	disk        uint64
	stackLimit  uint64
	maxRequest  uint32
	maxResponse uint32
	maxDecoded  uint64
	budget      time.Duration
	maxPending  int
	rates       lograte.Rates
	records     *lograte.Handler // that of logger
	given       *slog.Logger     // what records writes to

	compileMemory int64
}

type hostOption func(*hostConfig)

func (o hostOption) applyHost(c *hostConfig) { o(c) }

// WithLogger sets where the engine and its plugins log to. Calls wait for its handler, so that
// must not block. See [WithRecordRate] for how much it gets. The default, and nil, is
// [slog.Default].
func WithLogger(l *slog.Logger) Option {
	return hostOption(func(c *hostConfig) { c.logger = l })
}

// WithCacheDir keeps compiled guests in dir, so that the next process need not compile them
// again. It makes dir if it does not exist. Several processes may share it. Whoever can write
// to dir can run code in the host. The default, and "", keep them in memory only.
//
// A file that is damaged is removed and the guest compiled again. If dir is full or read-only,
// guests are compiled and not kept. Either is a warning in the log. When a guest is added, those
// that no process used for [MaxCacheAge] are removed, and those unused longest while all together
// have more than [MaxCacheBytes].
func WithCacheDir(dir string) Option {
	return hostOption(func(c *hostConfig) { c.cacheDir = dir })
}

// WithMemoryLimit bounds the memory of each guest instance, in bytes, rounded
// down to pages of 64 KiB; less than a page means none at all, and more than 4 GiB
// cannot be. A guest that needs more to begin with does not compile;
// one that asks for more later is refused it, which ends a Go guest. The
// default, and 0, is [DefaultMemoryLimit].
func WithMemoryLimit(bytes uint64) Option {
	return hostOption(func(c *hostConfig) { c.memoryLimit = bytes })
}

// WithHostMemoryLimit bounds the memory that the host holds for each guest instance
// beside its linear memory, in bytes: requests of pending calls, responses that wait to be
// taken, decoded requests. A call that needs more gets RESOURCE_EXHAUSTED. The default,
// and 0, is [DefaultHostMemoryLimit].
func WithHostMemoryLimit(bytes uint64) Option {
	return hostOption(func(c *hostConfig) { c.hostMemory = bytes })
}

// WithMaxOpenFiles bounds the files and directories that each guest instance has open, those
// of [WithMount] included. Opening one more fails with EMFILE. The default, and 0, is
// [DefaultMaxOpenFiles]; more than 65536 has no effect.
func WithMaxOpenFiles(files int) Option {
	return hostOption(func(c *hostConfig) { c.openFiles = files })
}

// WithDiskLimit bounds what each guest instance adds to the directories of [WithMount], in
// bytes: files that grow, holes included, and 4096 for each new file or directory. What it
// removes makes room for as much again. Past the limit writes fail with ENOSPC. An instance
// starts with all of it, unless [WithDiskUsed] says otherwise. The default, and 0, is
// [DefaultDiskLimit].
func WithDiskLimit(bytes uint64) Option {
	return hostOption(func(c *hostConfig) { c.disk = bytes })
}

// WithStackLimit bounds the stack of each guest instance, in bytes. The host holds it beside
// the memory of the guest. A guest whose functions call each other deeper ends with
// RESOURCE_EXHAUSTED. The engine looks at the stack now and then, and a stack doubles when
// it is full: for a moment it may have twice the limit and 32 MiB more. Guests that are
// [Trusted] have no limit but that of wazero, some 800 MB. The default, and 0, is
// [DefaultStackLimit], enough for a recursion of some 200,000 small Go functions.
func WithStackLimit(bytes uint64) Option {
	return hostOption(func(c *hostConfig) { c.stackLimit = bytes })
}

// WithCompileMemory bounds the memory that compiling guests takes at a time, in bytes. It is
// estimated from the module, some 20 times the size of its code, and no guest is compiled
// that takes more alone: that is RESOURCE_EXHAUSTED. Compilations that together take more
// wait for each other. Guests that are [Trusted] are compiled whatever they take, but alone.
// The default, and 0, is [DefaultCompileMemory].
func WithCompileMemory(bytes uint64) Option {
	return hostOption(func(c *hostConfig) { c.compileMemory = int64(min(bytes, math.MaxInt64)) })
}

// WithMaxMessage bounds encoded requests and responses, in bytes. Calls over
// a limit get RESOURCE_EXHAUSTED. The default, and 0, is [DefaultMaxMessage] each.
func WithMaxMessage(request, response uint32) Option {
	return hostOption(func(c *hostConfig) { c.maxRequest, c.maxResponse = request, response })
}

// WithMaxDecoded bounds what a request may take when it is decoded, in bytes: structs, lists,
// maps and their contents, which can be many times what the request has encoded. It is
// estimated before anything is decoded, from above. A call over the limit gets
// RESOURCE_EXHAUSTED. So does, with any limit, one whose messages are nested in more than
// 1000 levels. The default, and 0, is [DefaultMaxDecoded].
func WithMaxDecoded(bytes uint64) Option {
	return hostOption(func(c *hostConfig) { c.maxDecoded = bytes })
}

// WithCallBudget sets how long a call may take when its method does not say: the
// deadline of the implementation's context. A call that takes longer is logged
// and counted. The default, and 0, is [DefaultCallBudget]; a negative budget means
// that calls may take for ever. Methods that may block have no budget but their own.
func WithCallBudget(d time.Duration) Option {
	return hostOption(func(c *hostConfig) { c.budget = d })
}

// WithMaxPending bounds the calls that one guest instance has pending at a time:
// those of methods that may block, from their start until the guest has collected
// their results. Past it, such a call gets RESOURCE_EXHAUSTED. Their requests and
// responses count against [WithHostMemoryLimit]. The default, and 0, is
// [DefaultMaxPending]; with a negative number no call is ever pending, and all of them
// block their guest.
func WithMaxPending(calls int) Option {
	return hostOption(func(c *hostConfig) { c.maxPending = calls })
}

// WithLogRate bounds what the processes of plugins print into the log: bytes in a second, and
// at once after a pause, for each stream of each process. What is over it is dropped, and
// counted in the log. The defaults, and 0, are [DefaultLogRate] and [DefaultLogBurst].
func WithLogRate(perSecond, burst uint64) Option {
	return hostOption(func(c *hostConfig) { c.rates.LogRate, c.rates.LogBurst = perSecond, burst })
}

// WithRecordRate bounds the log records of one kind, such as slow calls or incidents, that the
// engine and its plugins log about one guest in a second; after a pause, ten times as many at
// once. What is over it is dropped, and counted in the log. A kind is a message; records
// without the attribute guest count together, those of a process by the attribute plugin. The
// default, and 0, is [DefaultRecordRate].
func WithRecordRate(perSecond uint32) Option {
	return hostOption(func(c *hostConfig) { c.rates.Records = uint64(perSecond) })
}

func newHostConfig(opts []Option) hostConfig {
	var c hostConfig
	for _, o := range opts {
		o.applyHost(&c)
	}
	if c.logger == nil {
		c.logger = slog.Default()
	}
	if c.memoryLimit == 0 {
		c.memoryLimit = DefaultMemoryLimit
	}
	if c.hostMemory == 0 {
		c.hostMemory = DefaultHostMemoryLimit
	}
	if c.openFiles == 0 {
		c.openFiles = DefaultMaxOpenFiles
	}
	if c.disk == 0 {
		c.disk = DefaultDiskLimit
	}
	if c.stackLimit == 0 {
		c.stackLimit = DefaultStackLimit
	}
	if c.compileMemory == 0 {
		c.compileMemory = DefaultCompileMemory
	}
	if c.maxRequest == 0 {
		c.maxRequest = DefaultMaxMessage
	}
	if c.maxResponse == 0 {
		c.maxResponse = DefaultMaxMessage
	}
	if c.maxDecoded == 0 {
		c.maxDecoded = DefaultMaxDecoded
	}
	if c.budget == 0 {
		c.budget = DefaultCallBudget
	}
	if c.maxPending == 0 {
		c.maxPending = DefaultMaxPending
	}
	c.rates.LogRate = cmp.Or(c.rates.LogRate, DefaultLogRate)
	c.rates.LogBurst = cmp.Or(c.rates.LogBurst, DefaultLogBurst)
	c.rates.Records = cmp.Or(c.rates.Records, DefaultRecordRate)
	c.given = c.logger
	c.records = lograte.NewHandler(c.logger.Handler(), c.rates)
	c.logger = slog.New(c.records)
	return c
}

// pages returns how many pages of memory a guest may have that has a limit of its own,
// in bytes, or 0.
func (c hostConfig) pages(limit uint64) uint32 {
	if limit == 0 || limit > c.memoryLimit {
		limit = c.memoryLimit
	}
	return uint32(min(limit/pageSize, 65536))
}

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
// it takes the host with it. Use it for guests you would link into the host.
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
