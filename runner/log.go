package runner

import (
	"context"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/mattn/go-isatty"

	"github.com/iansmith/parigot/internal/visible"
)

// textHandler writes a log for people: when, who, what, and the rest as slog.TextHandler has
// it.
//
//	14:02:15 greeting-1 | serves
//	14:02:15 greeting-1: the guest ended why="exit code 0" ran=61ms
//	14:02:15 ERROR hello: slow call call=greeting.v1.Greeting.Greet took=1.2s budget=1s
//
// Who is the attribute guest. A record with the attribute stream is what the guest wrote
// itself; nothing that it writes looks like another guest's line, or like one of the host.
type textHandler struct {
	rest          slog.Handler // writes to a lineWriter
	guest, stream string
	grouped       bool // attributes have no meaning of their own any more
}

// lineWriter writes lines of slog.TextHandler with their message first and as it is. The
// handler calls it under a lock that all of a log share, and formats attributes, whose
// methods may log themselves, outside of it.
type lineWriter struct{ w io.Writer }

// lineStart is what a line starts with; the message follows, quoted as it has spaces.
const lineStart = "level=INFO msg="

func (l lineWriter) Write(line []byte) (int, error) {
	rest := strings.TrimPrefix(string(line), lineStart)
	quoted, err := strconv.QuotedPrefix(rest)
	if err != nil {
		return 0, err
	}
	said, err := strconv.Unquote(quoted)
	if err != nil {
		return 0, err
	}
	if _, err := io.WriteString(l.w, said+rest[len(quoted):]); err != nil {
		return 0, err
	}
	return len(line), nil
}

const (
	guestKey  = "guest"
	streamKey = "stream"
)

func newTextHandler(w io.Writer, opts *slog.HandlerOptions) *textHandler {
	return &textHandler{rest: slog.NewTextHandler(lineWriter{w}, opts)}
}

// Enabled implements [slog.Handler].
func (h *textHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.rest.Enabled(ctx, level)
}

// WithGroup implements [slog.Handler].
func (h *textHandler) WithGroup(name string) slog.Handler {
	next := *h
	next.rest, next.grouped = h.rest.WithGroup(name), name != "" || h.grouped
	return &next
}

// WithAttrs implements [slog.Handler].
func (h *textHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	next.rest = h.rest.WithAttrs(next.take(attrs))
	return &next
}

// take keeps what says who and where, and returns the others.
func (h *textHandler) take(attrs []slog.Attr) (others []slog.Attr) {
	for _, a := range attrs {
		switch {
		case a.Key == guestKey && !h.grouped && h.guest == "":
			h.guest = a.Value.String()
		case a.Key == streamKey && !h.grouped && h.stream == "":
			h.stream = a.Value.String()
		default:
			others = append(others, a)
		}
	}
	return others
}

// Handle implements [slog.Handler].
func (h *textHandler) Handle(ctx context.Context, r slog.Record) error {
	said := *h
	var others []slog.Attr
	r.Attrs(func(a slog.Attr) bool {
		others = append(others, said.take([]slog.Attr{a})...)
		return true
	})
	line := slog.NewRecord(time.Time{}, slog.LevelInfo, said.head(r)+visible.Text(r.Message), 0)
	line.AddAttrs(others...)
	return h.rest.Handle(ctx, line)
}

// head is the line up to what is said.
func (h *textHandler) head(r slog.Record) string {
	head := r.Time.Format(time.TimeOnly) + " "
	if r.Level != slog.LevelInfo {
		head += r.Level.String() + " "
	}
	switch {
	case h.guest == "" && h.stream != "": // a plugin in a process prints
		return head + visible.Text(h.stream) + " | "
	case h.guest == "":
		return head
	case h.stream == "":
		return head + visible.Text(h.guest) + ": "
	case h.stream == "stdout":
		return head + visible.Text(h.guest) + " | "
	}
	return head + visible.Text(h.guest) + " " + visible.Text(h.stream) + " | "
}

// jsonWriter writes the records of slog.JSONHandler so that a terminal does nothing but show
// them.
type jsonWriter struct{ w io.Writer }

func (j jsonWriter) Write(record []byte) (int, error) {
	if _, err := j.w.Write(visible.JSON(record)); err != nil {
		return 0, err
	}
	return len(record), nil
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}
