package runner

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/internal/visible"
)

// TestTextLog: what a log for people looks like.
func TestTextLog(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 5, 14, 2, 15, 9, time.Local)
	hello := []any{"guest", "hello"}
	for want, tt := range map[string]struct {
		with  []any // before the record
		group string
		level slog.Level
		msg   string
		args  []any
	}{
		"14:02:15 it starts\n":                                    {msg: "it starts"},
		"14:02:15 DEBUG it starts plugin=file\n":                  {level: slog.LevelDebug, msg: "it starts", args: []any{"plugin", "file"}},
		"14:02:15 hello | \n":                                     {with: append(hello, "stream", "stdout")},
		"14:02:15 hello | says \"a\\b\"\tlevel=INFO msg=\"\"\n":   {with: append(hello, "stream", "stdout"), msg: "says \"a\\b\"\tlevel=INFO msg=\"\""},
		"14:02:15 hello stderr | Buenos días goes_on=true\n":      {with: append(hello, "stream", "stderr"), msg: "Buenos días", args: []any{"goes_on", true}},
		"14:02:15 ERROR hello: it ended why=\"exit code 1\"\n":    {with: hello, level: slog.LevelError, msg: "it ended", args: []any{"why", "exit code 1"}},
		"14:02:15 WARN hello: slow plugin=p call=a.A.B err=bad\n": {with: []any{"plugin", "p"}, level: slog.LevelWarn, msg: "slow", args: []any{"call", "a.A.B", "guest", "hello", "err", errors.New("bad")}},
		"14:02:15 hello: it uses guest=app\n":                     {with: hello, msg: "it uses", args: []any{"guest", "app"}},
		"14:02:15 stderr | prints plugin=p\n":                     {with: []any{"plugin", "p"}, msg: "prints", args: []any{"stream", "stderr"}},
		"14:02:15 hello | \uFFFD2J\n":                             {with: append(hello, "stream", "stdout"), msg: "\x9b2J"},
		"14:02:15 it says of.guest=app of.stream=x\n":             {group: "of", msg: "it says", args: []any{"guest", "app", "stream", "x"}},
		"14:02:15 a\\nb\\x1b[2J\\u202e: \\u009b1m err=\"c\\nd\"\n": {
			with: []any{"guest", "a\nb\x1b[2J\u202e"}, msg: "\u009b1m", args: []any{"err", "c\nd"},
		},
	} {
		var text bytes.Buffer
		log := slog.New(newTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug})).With(tt.with...)
		if tt.group != "" {
			log = log.WithGroup(tt.group)
		}
		r := slog.NewRecord(at, tt.level, tt.msg, 0)
		r.Add(tt.args...)
		require.NoError(t, log.Handler().Handle(t.Context(), r))
		require.Equal(t, want, text.String())
	}
	var text bytes.Buffer
	slog.New(newTextHandler(&text, nil)).Debug("not seen")
	require.Empty(t, text.String())
}

// logsItself is a value that logs while it is logged.
type logsItself struct{ log *slog.Logger }

func (l logsItself) LogValue() slog.Value {
	l.log.Info("its value is wanted")
	return slog.StringValue("it")
}

// TestTextLogOfWhatLogs: a value may log to the log that it is written to.
func TestTextLogOfWhatLogs(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	log := slog.New(newTextHandler(&text, nil))
	log.Info("outer", "value", logsItself{log})
	require.Regexp(t, `^\S+ its value is wanted\n\S+ outer value=it\n$`, text.String())
}

// FuzzTextLog: whatever a guest writes, its line is one, is its own, and does nothing on a terminal
// but be seen.
func FuzzTextLog(f *testing.F) {
	f.Add("Hello, Ada!")
	f.Add("two bytes that are no text: \x8c\x8c")
	f.Add("\x1b[2J\x1b]0;title\a\u009b1m\u202e\xff\x00\r14:02:15 other | forged\n\u2028")
	f.Fuzz(func(t *testing.T, line string) {
		var text bytes.Buffer
		slog.New(newTextHandler(&text, nil)).With("guest", "hello", "stream", "stdout").Info(line)
		said, ended := strings.CutSuffix(text.String(), "\n")
		require.True(t, ended)
		require.Equal(t, " hello | "+visible.Text(line), said[len("14:02:15"):])
		for _, r := range said {
			require.True(t, r == '\t' || strconv.IsGraphic(r), "%q in %q", r, said)
		}
		text.Reset()
		slog.New(slog.NewJSONHandler(jsonWriter{&text}, nil)).Info(line)
		var record struct{ Msg string }
		require.NoError(t, json.Unmarshal(text.Bytes(), &record))
		require.Equal(t, string([]rune(line)), record.Msg) // each byte that is no text is replaced
		for _, r := range strings.TrimSuffix(text.String(), "\n") {
			require.True(t, strconv.IsGraphic(r), "%q in %q", r, text.String())
		}
	})
}
