package deploy

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"github.com/iansmith/parigot/pluginsdk/parigotpb/deploymentpb"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// Defaults of the message Restart.
const (
	defaultBackoff      = 100 * time.Millisecond
	defaultMaxBackoff   = 10 * time.Second
	defaultRestartLimit = 10
	// stableRuns times the longest wait is how long an instance runs until a failure of
	// it counts as the first again.
	stableRuns = 10
)

// ending is how an instance ended.
type ending struct {
	code   uint32
	err    error // what stopped it: a trap or a limit, say; code means nothing then
	reason string
}

func (e ending) failed() bool { return e.err != nil || e.code != 0 }

// exitCode is that of the run when the main guest ended so.
func (e ending) exitCode() uint32 {
	if e.err != nil {
		return 1
	}
	return e.code
}

// restarts decides whether an instance that ended is started again.
type restarts struct {
	policy           string
	backoff, longest time.Duration
	limit            uint32 // 0: none
	row              uint32 // restarts in a row
	next             time.Duration
}

func newRestarts(r *deploymentpb.Restart) *restarts {
	p := &restarts{policy: r.GetPolicy(), backoff: defaultBackoff, longest: defaultMaxBackoff, limit: defaultRestartLimit}
	if r.GetMaxBackoff() != nil {
		p.longest = r.GetMaxBackoff().AsDuration()
		p.backoff = min(p.backoff, p.longest)
	}
	if r.GetBackoff() != nil {
		p.backoff = r.GetBackoff().AsDuration()
		p.longest = max(p.longest, p.backoff)
	}
	if r != nil && r.Limit != nil {
		p.limit = r.GetLimit()
	}
	p.next = p.backoff
	return p
}

// after returns how long to wait before an instance that ran for so long is started
// again, and whether it is at all. It is an error when it would be, but was too often.
func (p *restarts) after(e ending, ran time.Duration) (wait time.Duration, again bool, err error) {
	if p.policy != "always" && (p.policy != "on_failure" || !e.failed()) {
		return 0, false, nil
	}
	if ran >= stableRuns*p.longest {
		p.row, p.next = 0, p.backoff
	}
	if p.limit > 0 && p.row >= p.limit {
		return 0, false, status.Errorf(status.Aborted, "it ended after %d restarts in a row, which is the limit: %s", p.row, e.reason)
	}
	p.row++
	wait = p.next
	p.next = min(2*p.next, p.longest)
	return wait, true, nil
}

// supervise runs instances one after the other, as the policy says, until ctx ends or
// there are none to come. It returns how the last one ended; the error says that the
// policy had too many.
func (p *restarts) supervise(ctx context.Context, logger *slog.Logger, run func() ending) (ending, error) {
	for {
		begin := time.Now()
		e := run()
		ran := time.Since(begin)
		logger := logger.With("why", e.reason, "ran", ran.Round(time.Millisecond))
		select {
		case <-ctx.Done():
			logEndOfStopped(logger, e)
			return e, nil
		default:
		}
		wait, again, err := p.after(e, ran)
		level := slog.LevelInfo
		if e.failed() {
			level = slog.LevelError
		}
		if !again {
			logger.Log(ctx, level, "the guest ended")
			return e, err
		}
		logger.Log(ctx, level, "the guest ended, and is started again", "restart", p.row, "of", p.most(), "wait", wait)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return e, nil
		}
	}
}

// logEndOfStopped tells of an instance that the run had stopped, or asked to end: whether that
// was quicker than a guest that ends by itself makes no difference.
func logEndOfStopped(logger *slog.Logger, e ending) {
	if e.err != nil {
		logger.Debug("the guest is stopped")
		return
	}
	logger.Info("the guest ended")
}

func (p *restarts) most() string {
	if p.limit == 0 {
		return "any number"
	}
	return strconv.FormatUint(uint64(p.limit), 10)
}
