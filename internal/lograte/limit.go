// Package lograte bounds how much of a log others can cause: guests, by what they write and
// by calls that fail, and processes of plugins. What is over a limit is dropped and counted.
package lograte

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// LineCost is what a line counts for beside its own bytes: its time, name and stream.
	LineCost = 128
	// every is how long after the first dropped record the count is in the log.
	every = time.Second
)

// Limit lets so much through in a second, and more after a pause. It is safe for concurrent
// use. It holds a timer only while something is dropped.
type Limit struct {
	limiter *rate.Limiter
	report  func(dropped int, in time.Duration)

	mu      sync.Mutex
	dropped int
	since   time.Time // of the first that was dropped
	timer   *time.Timer
}

// New returns a limit of perSecond, and of burst at once. report is called for what was dropped,
// a second after the first of it, and by Flush.
func New(perSecond, burst uint64, report func(dropped int, in time.Duration)) *Limit {
	return &Limit{limiter: rate.NewLimiter(rate.Limit(perSecond), int(burst)), report: report}
}

// Allow reports whether one more record may be logged, which counts for n, and counts it as
// dropped if not.
func (l *Limit) Allow(n int) bool {
	now := time.Now()
	if l.limiter.AllowN(now, min(n, l.limiter.Burst())) {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dropped++; l.dropped == 1 {
		l.since = now
		l.timer = time.AfterFunc(every, l.Flush)
	}
	return false
}

// Flush reports what was dropped since the last report, if anything was.
func (l *Limit) Flush() {
	l.mu.Lock()
	n, in := l.dropped, time.Since(l.since)
	if l.dropped = 0; n > 0 {
		l.timer.Stop()
	}
	l.mu.Unlock()
	if n > 0 {
		l.report(n, max(in.Round(time.Millisecond), time.Millisecond))
	}
}

// idle reports whether the limit would be the same if it were new.
func (l *Limit) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dropped == 0 && l.limiter.Tokens() >= float64(l.limiter.Burst())
}
