package process

import (
	"path/filepath"
	"time"

	"github.com/iansmith/parigot/pluginsdk/eng"
)

// Defaults of [Plugin].
const (
	// DefaultStartTimeout is how long a process may take until its plugin is
	// initialised.
	DefaultStartTimeout = 10 * time.Second
	// DefaultStopGrace is how long a process may take to stop.
	DefaultStopGrace = 5 * time.Second
	// DefaultCallGrace is how long a call may go on after its context has ended.
	DefaultCallGrace = 2 * time.Second
	// DefaultMinBackoff is the longest wait before the first restart.
	DefaultMinBackoff = 100 * time.Millisecond
	// DefaultMaxBackoff is the longest wait before any restart, but for the breaker's.
	DefaultMaxBackoff = 10 * time.Second
	// DefaultStableAfter is how long a process has to run until its plugin counts as
	// well again.
	DefaultStableAfter = 10 * time.Second
	// DefaultBreakerFailures is how many failures within [DefaultBreakerWindow] are
	// too many.
	DefaultBreakerFailures = 10
	// DefaultBreakerWindow is the time in which failures are counted.
	DefaultBreakerWindow = time.Minute
	// DefaultBreakerCooldown is how long the plugin stays down after too many.
	DefaultBreakerCooldown = 30 * time.Second
	// DefaultMaxCalls bounds the calls that are under way at a time.
	DefaultMaxCalls = 1024
)

// Option changes how [Plugin] runs a process.
type Option interface{ apply(*settings) }

type option func(*settings)

func (o option) apply(s *settings) { o(s) }

type settings struct {
	path string
	name string
	args []string
	env  []string

	startTimeout, stopGrace, callGrace time.Duration

	minBackoff, maxBackoff, stableAfter time.Duration

	breakerFailures                int
	breakerWindow, breakerCooldown time.Duration

	maxRequest, maxResponse uint32
	maxCalls                int
	maxDecoded              uint64
}

func newSettings(path string, opts []Option) *settings {
	s := &settings{path: path}
	for _, o := range opts {
		o.apply(s)
	}
	if s.name == "" {
		s.name = filepath.Base(path)
	}
	fallback(&s.startTimeout, DefaultStartTimeout)
	fallback(&s.stopGrace, DefaultStopGrace)
	fallback(&s.callGrace, DefaultCallGrace)
	fallback(&s.minBackoff, DefaultMinBackoff)
	fallback(&s.maxBackoff, DefaultMaxBackoff)
	fallback(&s.stableAfter, DefaultStableAfter)
	fallback(&s.breakerFailures, DefaultBreakerFailures)
	fallback(&s.breakerWindow, DefaultBreakerWindow)
	fallback(&s.breakerCooldown, DefaultBreakerCooldown)
	fallback(&s.maxRequest, eng.DefaultMaxMessage)
	fallback(&s.maxResponse, eng.DefaultMaxMessage)
	fallback(&s.maxCalls, DefaultMaxCalls)
	fallback(&s.maxDecoded, eng.DefaultMaxDecoded)
	return s
}

func fallback[T comparable](value *T, to T) {
	var zero T
	if *value == zero {
		*value = to
	}
}

// WithName sets what the plugin is called in logs and errors. The default, and "", is
// the last part of its path.
func WithName(name string) Option {
	return option(func(s *settings) { s.name = name })
}

// WithArgs sets the arguments of the program, without its name. The default is none.
func WithArgs(args ...string) Option {
	return option(func(s *settings) { s.args = args })
}

// WithEnv sets the whole environment of the program, as "KEY=value" each. The default,
// and none, is that of the host.
func WithEnv(env ...string) Option {
	return option(func(s *settings) { s.env = env })
}

// WithStartTimeout sets how long a process may take from its start until the plugin's
// Init has returned; then it is killed. The default, and 0, is [DefaultStartTimeout].
func WithStartTimeout(d time.Duration) Option {
	return option(func(s *settings) { s.startTimeout = d })
}

// WithStopGrace sets how long the plugin may take to stop when the engine closes, and
// to hear of a guest that has ended; then its process is killed. The default, and 0, is
// [DefaultStopGrace].
func WithStopGrace(d time.Duration) Option {
	return option(func(s *settings) { s.stopGrace = d })
}

// WithCallGrace sets how long a call may go on after its context has ended: its deadline
// passed, or it was cancelled. Code cannot be stopped, so its process is killed then, and
// with it whatever else it does. The default, and 0, is [DefaultCallGrace].
func WithCallGrace(d time.Duration) Option {
	return option(func(s *settings) { s.callGrace = d })
}

// WithBackoff sets how long to wait before a process is started again: between half of
// first and first after one failure, up to twice as long after each further one, up to
// longest. When the process has run for stable, the next failure counts as the first
// again. The defaults, and 0, are [DefaultMinBackoff], [DefaultMaxBackoff] and
// [DefaultStableAfter].
func WithBackoff(first, longest, stable time.Duration) Option {
	return option(func(s *settings) { s.minBackoff, s.maxBackoff, s.stableAfter = first, longest, stable })
}

// WithBreaker sets when a plugin is left alone: after the given number of failures
// within window it stays down for cooldown. Then it is started as a probe: unless it
// runs for as long as [WithBackoff] calls stable, the next failure has it stay down
// again. The defaults, and 0, are [DefaultBreakerFailures], [DefaultBreakerWindow] and
// [DefaultBreakerCooldown]. With a negative number of failures there is no breaker.
func WithBreaker(failures int, window, cooldown time.Duration) Option {
	return option(func(s *settings) {
		s.breakerFailures, s.breakerWindow, s.breakerCooldown = failures, window, cooldown
	})
}

// WithMaxMessage bounds encoded requests and responses, in bytes, beside the limits of
// the engine, see [eng.WithMaxMessage]. The default, and 0, is [eng.DefaultMaxMessage]
// each.
func WithMaxMessage(request, response uint32) Option {
	return option(func(s *settings) { s.maxRequest, s.maxResponse = request, response })
}

// WithMaxDecoded bounds what a request may take when the plugin decodes it, and what the
// host decodes of what the plugin's process sends, in bytes, see [eng.WithMaxDecoded]. The
// default, and 0, is [eng.DefaultMaxDecoded].
func WithMaxDecoded(bytes uint64) Option {
	return option(func(s *settings) { s.maxDecoded = bytes })
}

// WithMaxCalls bounds the calls that are under way at a time, those that wait included.
// Each has a connection, two descriptors in all, which serves the next call after it.
// Past the bound calls get RESOURCE_EXHAUSTED. The default, and 0, is [DefaultMaxCalls].
func WithMaxCalls(calls int) Option {
	return option(func(s *settings) { s.maxCalls = calls })
}
