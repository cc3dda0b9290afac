package lograte

import (
	"context"
	"encoding"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// maxKinds bounds the kinds of records that have a limit of their own. All others share one.
	maxKinds = 1024
	// maxText bounds a message and a value of a record, in bytes.
	maxText = 64 << 10
	// maxKind bounds the part of a text that tells kinds of records apart, in bytes.
	maxKind = 200
	// burstSeconds is for how many seconds' records there is room at once.
	burstSeconds = 10
)

// Rates are the limits of a [Handler].
type Rates struct {
	Records           uint64 // of one kind, for each guest and plugin, in a second
	LogRate, LogBurst uint64 // bytes that a process prints, in a second and at once
}

// Handler is a [slog.Handler] that drops what is over a limit. There is one limit for each
// kind of record, which is its message, for each guest and plugin that it is about, as the
// attributes guest and plugin have it. What a process prints, which has the attribute stream,
// is bounded by its bytes instead. Values that are no numbers are formatted as texts, and texts
// of more than 64 KiB are cut.
type Handler struct {
	next   slog.Handler
	shared *limits
	about  kind
	nested bool // in a group, where attributes have no meaning of their own
}

// kind is what has a limit of its own.
type kind struct{ guest, plugin, stream, message string }

type limits struct {
	rates Rates
	root  slog.Handler // gets the counts

	mu    sync.Mutex
	kinds map[kind]*Limit
	swept time.Time
}

// NewHandler returns a handler that passes on to next what is within the rates.
func NewHandler(next slog.Handler, rates Rates) *Handler {
	return &Handler{next: next, shared: &limits{rates: rates, root: next, kinds: map[kind]*Limit{}}}
}

// Enabled implements [slog.Handler].
func (h *Handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// WithGroup implements [slog.Handler].
func (h *Handler) WithGroup(name string) slog.Handler {
	c := *h
	c.next, c.nested = h.next.WithGroup(name), h.nested || name != ""
	return &c
}

// WithAttrs implements [slog.Handler].
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	for _, a := range attrs {
		c.about.add(a, h.nested)
	}
	c.next = h.next.WithAttrs(cutAttrs(attrs))
	return &c
}

func (k *kind) add(a slog.Attr, nested bool) {
	if nested || a.Value.Kind() != slog.KindString {
		return
	}
	switch a.Key {
	case "guest":
		k.guest = start(a.Value.String())
	case "plugin":
		k.plugin = start(a.Value.String())
	case "stream":
		k.stream = start(a.Value.String())
	}
}

func start(text string) string { return text[:min(len(text), maxKind)] }

// Handle implements [slog.Handler].
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	about, short := h.about, len(r.Message) <= maxText
	r.Attrs(func(a slog.Attr) bool {
		about.add(a, h.nested)
		short = short && isShort(a)
		return true
	})
	cost := 1
	if about.stream != "" {
		cost = len(r.Message) + LineCost
	} else {
		about.message = start(r.Message)
	}
	if !h.shared.of(about).Allow(cost) {
		return nil
	}
	if !short {
		r = cut(r)
	}
	return h.next.Handle(ctx, r)
}

// Flush logs the counts of what was dropped and is not counted in the log yet.
func (h *Handler) Flush() {
	h.shared.mu.Lock()
	all := slices.Collect(maps.Values(h.shared.kinds))
	h.shared.mu.Unlock()
	for _, l := range all {
		l.Flush()
	}
}

// of returns the limit of a kind of records.
func (s *limits) of(k kind) *Limit {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.kinds[k]
	if l == nil && len(s.kinds) >= maxKinds {
		s.sweep()
		if len(s.kinds) >= maxKinds {
			k = k.shared()
			l = s.kinds[k]
		}
	}
	if l == nil {
		l = s.newLimit(k)
		s.kinds[k] = l
	}
	return l
}

// shared is what all kinds share that have no limit of their own.
func (k kind) shared() kind {
	if k.stream != "" {
		return kind{stream: "all others"}
	}
	return kind{message: "records of many kinds"}
}

// sweep forgets limits that nothing uses, but not more often than once a second.
func (s *limits) sweep() {
	if now := time.Now(); now.Sub(s.swept) >= every {
		s.swept = now
		maps.DeleteFunc(s.kinds, func(_ kind, l *Limit) bool { return l.idle() })
	}
}

func (s *limits) newLimit(k kind) *Limit {
	if k.stream != "" {
		return New(s.rates.LogRate, s.rates.LogBurst, func(n int, in time.Duration) {
			s.tell("lines dropped: over log_rate", k, slog.String("of", k.stream), slog.Int("lines", n), slog.Duration("in", in))
		})
	}
	return New(s.rates.Records, burstSeconds*s.rates.Records, func(n int, in time.Duration) {
		s.tell("records dropped: over record_rate", k, slog.String("of", k.message), slog.Int("records", n), slog.Duration("in", in))
	})
}

func (s *limits) tell(message string, k kind, attrs ...slog.Attr) {
	ctx := context.Background()
	if !s.root.Enabled(ctx, slog.LevelWarn) {
		return
	}
	r := slog.NewRecord(time.Now(), slog.LevelWarn, message, 0)
	for _, a := range []slog.Attr{slog.String("guest", k.guest), slog.String("plugin", k.plugin)} {
		if a.Value.String() != "" {
			r.AddAttrs(a)
		}
	}
	r.AddAttrs(attrs...)
	_ = s.root.Handle(ctx, r) // a log that fails has nowhere to say so
}

// cut returns the record with its texts cut.
func cut(r slog.Record) slog.Record {
	short := slog.NewRecord(r.Time, r.Level, clip(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		short.AddAttrs(cutAttr(a))
		return true
	})
	return short
}

func cutAttrs(attrs []slog.Attr) []slog.Attr {
	short := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		short[i] = cutAttr(a)
	}
	return short
}

// cutAttr returns an attribute that is a number, a text that is not too long, or a group of such.
func cutAttr(a slog.Attr) slog.Attr {
	a.Value = a.Value.Resolve()
	switch a.Value.Kind() { //nolint:exhaustive // all others are numbers
	case slog.KindString:
		a.Value = slog.StringValue(clip(a.Value.String()))
	case slog.KindGroup:
		a.Value = slog.GroupValue(cutAttrs(a.Value.Group())...)
	case slog.KindAny:
		if v := a.Value.Any(); v != nil {
			a.Value = slog.StringValue(clip(textOf(v)))
		}
	}
	return a
}

// isShort reports whether cutAttr would return a.
func isShort(a slog.Attr) bool {
	switch a.Value.Kind() { //nolint:exhaustive // all others are numbers
	case slog.KindString:
		return len(a.Value.String()) <= maxText
	case slog.KindAny, slog.KindLogValuer, slog.KindGroup:
		return false
	}
	return true
}

// textOf formats a value as [slog.TextHandler] does. A method of it may panic.
func textOf(v any) (text string) {
	defer func() {
		if p := recover(); p != nil {
			text = fmt.Sprintf("!PANIC: %v", p)
		}
	}()
	switch v := v.(type) {
	case error:
		return fmt.Sprint(v)
	case []byte:
		return string(v[:min(len(v), maxText+1)])
	case encoding.TextMarshaler:
		if b, err := v.MarshalText(); err == nil {
			return textOf(b)
		}
	}
	return fmt.Sprintf("%+v", v)
}

func clip(text string) string {
	if len(text) <= maxText {
		return text
	}
	return strings.ToValidUTF8(text[:maxText], "\uFFFD") + "…"
}
