package process

import (
	"slices"
	"time"
)

// restarts decides how long to wait before a process is started again. It knows no
// clock: it is told the time.
type restarts struct {
	*settings
	jitter func() float64 // at least 0, below 1

	row     int         // failures since it was last well
	recent  []time.Time // failures within the window
	probing bool        // the breaker was open, and the process has not been well since
}

// failed counts a failure at the time now, of a process that ran for up, which is 0 when
// it did not start. It returns how long to wait, and whether that is because the breaker
// has opened.
func (r *restarts) failed(now time.Time, up time.Duration) (wait time.Duration, opened bool) {
	if up >= r.stableAfter {
		r.row, r.probing = 0, false
	}
	r.recent = slices.DeleteFunc(r.recent, func(t time.Time) bool { return now.Sub(t) >= r.breakerWindow })
	r.recent = append(r.recent, now)
	if r.breakerFailures > 0 && (r.probing || len(r.recent) >= r.breakerFailures) {
		r.row, r.probing, r.recent = 0, true, nil
		return r.breakerCooldown, true
	}
	wait = r.maxBackoff
	const doublings = 30 // after which no wait is shorter than any maximum in use
	if r.row < doublings {
		wait = min(wait, r.minBackoff<<r.row)
	}
	r.row++
	return wait/2 + time.Duration(r.jitter()*float64(wait-wait/2)), false
}
