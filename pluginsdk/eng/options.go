package eng

import (
	"cmp"
	"log/slog"
	"math"
	"time"

	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/internal/instance"
	"github.com/iansmith/parigot/internal/lograte"
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
	DefaultMaxMessage = instance.DefaultMaxMessage
	// DefaultMaxDecoded bounds what a request takes when it is decoded, in bytes. A request
	// of [DefaultMaxMessage] bytes has as much again for what is around its contents.
	DefaultMaxDecoded = instance.DefaultMaxDecoded
	// DefaultCallBudget is how long one call may take.
	DefaultCallBudget = instance.DefaultCallBudget
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
	interceptors  []core.Interceptor
}

type hostOption func(*hostConfig)

func (o hostOption) applyHost(c *hostConfig) { o(c) }

// WithLogger sets where the engine and its plugins log to. Calls wait for its handler, so that
// must not block. See [WithRecordRate] for how much it gets. The default, and nil, is
// [slog.Default].
func WithLogger(l *slog.Logger) Option {
	return hostOption(func(c *hostConfig) { c.logger = l })
}

// WithInterceptors calls interceptors around each call of a guest to a plugin and each call of
// [Instance.Invoke] and [Pool.Invoke], the first outermost, after those of earlier options. Package
// pluginsdk says what they can do. The default is none, which costs nothing. nil ones are left
// out.
func WithInterceptors(interceptors ...core.Interceptor) Option {
	return hostOption(func(c *hostConfig) {
		for _, i := range interceptors {
			if i != nil {
				c.interceptors = append(c.interceptors, i)
			}
		}
	})
}

// WithCacheDir keeps rewritten and compiled guests in dir, so that the next process need not do
// that again. It makes dir if it does not exist. Several processes may share it. Whoever can write
// to dir can run code in the host. The default, and "", keep them in memory only.
//
// In a program whose main function is that of package runner, a large guest that is not in dir is
// compiled on all processors, in another process of the same program.
//
// A file that is damaged is removed and the guest compiled again. If dir is full, read-only
// or a file, guests are compiled and not kept. Either is a warning in the log. When a guest is added, those
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
// estimated from the module: some 20 times the size of its code, and what each processor that
// helps takes, of which there are only as many as that leaves room for. No guest is compiled that
// takes more alone: that is RESOURCE_EXHAUSTED. Compilations that together take more wait for each
// other. Guests that are [Trusted] are compiled whatever they take, but alone. The default, and 0,
// is [DefaultCompileMemory].
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
