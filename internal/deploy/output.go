package deploy

import (
	"bytes"
	"cmp"
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/iansmith/parigot/internal/lograte"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/parigotpb/deploymentpb"
)

// MaxLine bounds a line of a guest's output in the log, in bytes. A longer one goes on in
// the next record.
const MaxLine = 16 << 10

// longestReason bounds what of a line goes into the reason why a guest ended, in bytes.
const longestReason = 200

// lines is a writer that logs what a guest writes, line by line.
type lines struct {
	log   *slog.Logger
	limit *lograte.Limit // of all streams of the guest

	mu   sync.Mutex
	rest []byte // the line that has no end yet
	last string // what a Go program ended with, as far as it said so
}

func newLines(logger *slog.Logger, stream string, limit *lograte.Limit) *lines {
	return &lines{log: logger.With("stream", stream), limit: limit}
}

// newLogLimit returns what bounds the lines of a guest in the log: those of all its instances.
func (r *run) newLogLimit(g *deploymentpb.Guest) *lograte.Limit {
	e := r.Deployment.GetEngine()
	logger := r.log.With("guest", g.GetName())
	return lograte.New(
		cmp.Or(g.GetLogRate(), e.GetLogRate(), eng.DefaultLogRate),
		cmp.Or(g.GetLogBurst(), e.GetLogBurst(), eng.DefaultLogBurst),
		func(dropped int, in time.Duration) {
			logger.Warn("lines dropped: over log_rate", "lines", dropped, "in", in)
		})
}

// Write implements [io.Writer]. It never fails: a guest has nothing to do with what
// becomes of its log.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	written := len(p)
	for len(p) > 0 {
		room := MaxLine - len(l.rest)
		end := bytes.IndexByte(p[:min(len(p), room+1)], '\n')
		switch {
		case end >= 0:
			l.rest = append(l.rest, p[:end]...)
			l.emit(false)
			p = p[end+1:]
		case len(p) > room:
			l.rest = append(l.rest, p[:room]...)
			cut := lastRune(l.rest)
			begun := string(l.rest[cut:])
			l.rest = l.rest[:cut]
			l.emit(true)
			l.rest = append(l.rest, begun...)
			p = p[room:]
		default:
			l.rest = append(l.rest, p...)
			p = nil
		}
	}
	return written, nil
}

// lastRune returns where the character begins that the end of b cuts in two; len(b) when
// it cuts none.
func lastRune(b []byte) int {
	for i := len(b) - 1; i >= max(0, len(b)-utf8.UTFMax); i-- {
		if utf8.RuneStart(b[i]) {
			if utf8.FullRune(b[i:]) {
				break
			}
			return i
		}
	}
	return len(b)
}

// flush logs the line that has no end, and returns what a Go program said why it ends.
func (l *lines) flush() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.rest) > 0 {
		l.emit(false)
	}
	return l.last
}

func (l *lines) emit(goesOn bool) {
	allowed := l.limit.Allow(len(l.rest) + lograte.LineCost)
	line := strings.ToValidUTF8(string(bytes.TrimSuffix(l.rest, []byte("\r"))), "\uFFFD")
	l.rest = l.rest[:0]
	if l.last == "" && (strings.HasPrefix(line, "fatal error: ") || strings.HasPrefix(line, "panic: ")) {
		l.last = line[:min(len(line), longestReason)]
	}
	if !allowed {
		return
	}
	var attrs []slog.Attr
	if goesOn {
		attrs = append(attrs, slog.Bool("goes_on", true))
	}
	// The handlers escape what would do more than be seen: see TestLinesAreHarmless.
	l.log.LogAttrs(context.Background(), slog.LevelInfo, line, attrs...)
}
