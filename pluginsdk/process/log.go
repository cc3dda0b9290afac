package process

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/iansmith/parigot/pluginsdk/parigotpb/processpb"
)

// What of a log record is sent.
const (
	maxLogText  = 64 << 10 // bytes of a message or a value
	maxLogAttrs = 64
)

// logSender is a [slog.Handler] that sends records to the host.
type logSender struct {
	send   func(*processpb.ProcessLog)
	level  slog.Level
	prefix string // of keys, from groups
	attrs  []*processpb.ProcessLogAttr
}

func (h *logSender) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level }

func (h *logSender) Handle(_ context.Context, r slog.Record) error {
	l := &processpb.ProcessLog{Level: int32(r.Level), Message: clip(r.Message), Attrs: slices.Clone(h.attrs)}
	if !r.Time.IsZero() {
		l.TimeUnixNs = r.Time.UnixNano()
	}
	r.Attrs(func(a slog.Attr) bool {
		l.Attrs = appendAttr(l.Attrs, h.prefix, a)
		return true
	})
	h.send(l)
	return nil
}

func (h *logSender) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.attrs = slices.Clone(h.attrs)
	for _, a := range attrs {
		c.attrs = appendAttr(c.attrs, h.prefix, a)
	}
	return &c
}

func (h *logSender) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	c := *h
	c.prefix += name + "."
	return &c
}

// appendAttr appends a, and the attributes in it when it is a group, unless there are
// enough already.
func appendAttr(to []*processpb.ProcessLogAttr, prefix string, a slog.Attr) []*processpb.ProcessLogAttr {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, member := range v.Group() {
			to = appendAttr(to, prefix, member)
		}
		return to
	}
	if a.Equal(slog.Attr{}) || len(to) >= maxLogAttrs {
		return to
	}
	p := &processpb.ProcessLogAttr{Key: clip(prefix + a.Key)}
	switch v.Kind() { //nolint:exhaustive // the default is for all others
	case slog.KindInt64:
		p.Value = &processpb.ProcessLogAttr_Integer{Integer: v.Int64()}
	case slog.KindFloat64:
		p.Value = &processpb.ProcessLogAttr_Number{Number: v.Float64()}
	case slog.KindBool:
		p.Value = &processpb.ProcessLogAttr_Truth{Truth: v.Bool()}
	case slog.KindDuration:
		p.Value = &processpb.ProcessLogAttr_DurationNs{DurationNs: int64(v.Duration())}
	case slog.KindTime:
		p.Value = &processpb.ProcessLogAttr_TimeUnixNs{TimeUnixNs: v.Time().UnixNano()}
	default:
		p.Value = &processpb.ProcessLogAttr_Text{Text: clip(textOf(v))}
	}
	return append(to, p)
}

// textOf returns v as a text. A value whose own method panics must not end the plugin.
func textOf(v slog.Value) (text string) {
	defer func() {
		if p := recover(); p != nil {
			text = fmt.Sprintf("!PANIC: %v", p)
		}
	}()
	return v.String()
}

// clip makes of s what can be sent.
func clip(s string) string {
	if len(s) > maxLogText {
		s = s[:maxLogText]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// relog logs what a plugin sent.
func relog(to *slog.Logger, payload []byte) error {
	l := new(processpb.ProcessLog)
	if err := decodeFrame(payload, l, "a log record"); err != nil {
		return err
	}
	ctx := context.Background()
	level := slog.Level(l.GetLevel())
	if !to.Enabled(ctx, level) {
		return nil
	}
	at := time.Now()
	if ns := l.GetTimeUnixNs(); ns != 0 {
		at = time.Unix(0, ns)
	}
	r := slog.NewRecord(at, level, l.GetMessage(), 0)
	for _, a := range l.GetAttrs() {
		r.AddAttrs(attrOf(a))
	}
	// A logger that fails has nowhere to say so.
	_ = to.Handler().Handle(ctx, r)
	return nil
}

func attrOf(a *processpb.ProcessLogAttr) slog.Attr {
	switch v := a.GetValue().(type) {
	case *processpb.ProcessLogAttr_Integer:
		return slog.Int64(a.GetKey(), v.Integer)
	case *processpb.ProcessLogAttr_Number:
		return slog.Float64(a.GetKey(), v.Number)
	case *processpb.ProcessLogAttr_Truth:
		return slog.Bool(a.GetKey(), v.Truth)
	case *processpb.ProcessLogAttr_DurationNs:
		return slog.Duration(a.GetKey(), time.Duration(v.DurationNs))
	case *processpb.ProcessLogAttr_TimeUnixNs:
		return slog.Time(a.GetKey(), time.Unix(0, v.TimeUnixNs))
	}
	return slog.String(a.GetKey(), a.GetText())
}

// lowestLevel returns the lowest of the usual levels that log takes.
func lowestLevel(to *slog.Logger) slog.Level {
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn} {
		if to.Enabled(context.Background(), level) {
			return level
		}
	}
	return slog.LevelError
}
