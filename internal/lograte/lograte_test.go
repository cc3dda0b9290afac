package lograte

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

var testRates = Rates{Records: 10, LogRate: 1000, LogBurst: 10_000}

// newLog returns a log whose lines have no time.
func newLog(to *bytes.Buffer) (*slog.Logger, *Handler) {
	h := NewHandler(slog.NewTextHandler(to, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}), testRates)
	return slog.New(h), h
}

// TestRecordsOverTheRateAreCounted: each kind of record of each guest has a limit of its own;
// what is dropped is counted within a second, and later records pass again.
func TestRecordsOverTheRateAreCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var text bytes.Buffer
		log, h := newLog(&text)
		for range 1000 {
			log.Warn("slow call", "call", "a.v1.A.Do", "guest", "flood")
		}
		log.Warn("slow call", "guest", "other")
		log.With("guest", "flood").Error("call failed")
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, burstSeconds*10, strings.Count(text.String(), `msg="slow call" call=a.v1.A.Do guest=flood`))
		require.Contains(t, text.String(), `msg="slow call" guest=other`)
		require.Contains(t, text.String(), `msg="call failed" guest=flood`)
		require.Contains(t, text.String(), `level=WARN msg="records dropped: over record_rate" guest=flood of="slow call" records=900 in=1s`)
		text.Reset()
		for range 20 {
			log.Warn("slow call", "guest", "flood")
		}
		h.Flush()
		require.Equal(t, 10, strings.Count(text.String(), `msg="slow call" guest=flood`))
		require.Contains(t, text.String(), `of="slow call" records=10 in=1ms`)
	})
}

// TestPrintedLinesAreBoundedByBytes: what a process prints is, whatever it says.
func TestPrintedLinesAreBoundedByBytes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var text bytes.Buffer
		log, h := newLog(&text)
		printed := log.With("plugin", "p")
		const size = 1000 - LineCost
		for i := range 25 {
			printed.Info(fmt.Sprintf("%0*d", size, i), "stream", "stderr")
		}
		h.Flush()
		require.Equal(t, 10, strings.Count(text.String(), "level=INFO"))
		require.Contains(t, text.String(), `msg="lines dropped: over log_rate" plugin=p of=stderr lines=15 in=1ms`)
	})
}

// TestHostileRecords: long texts are cut, errors may panic, and any number of kinds costs a
// bounded number of limits.
func TestHostileRecords(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var text bytes.Buffer
		log, h := newLog(&text)
		log.Info("long", "err", errors.New(strings.Repeat("x", 10*maxText)), "text", strings.Repeat("y", 10*maxText))
		require.Less(t, text.Len(), 3*maxText)
		log.Info("panics", "err", error((*nilError)(nil)))
		require.Contains(t, text.String(), "panics")
		for i := range 5 * maxKinds {
			log.Info(fmt.Sprint("kind ", i))
			log.Info("prints", "stream", fmt.Sprint("stream ", i))
		}
		require.LessOrEqual(t, len(h.shared.kinds), maxKinds+2)
		h.Flush()
		require.Contains(t, text.String(), `of="records of many kinds"`)
	})
}

// TestLongValues: values of all kinds are cut, and formatted only for records that are logged.
func TestLongValues(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 10*maxText)
	values := map[string]any{
		"string": long, "error": errors.New(long), "bytes": []byte(long), "struct": struct {
			A *int
			B string
		}{B: long},
		"list": []string{long, long}, "stringer": stringer(func() string { return long }), "marshaler": marshaler{},
		"valuer": valuer{slog.AnyValue(errors.New(long))}, "group": slog.GroupValue(slog.Any("a", []byte(long))),
	}
	for name, value := range values {
		for _, format := range []func(*bytes.Buffer) slog.Handler{
			func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
			func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
		} {
			var text bytes.Buffer
			log := slog.New(NewHandler(format(&text), testRates))
			log.Info("long", "value", value)
			require.Less(t, text.Len(), 2*maxText, name)
			require.Greater(t, text.Len(), maxText, name)
			text.Reset()
			log.With("value", value).WithGroup("g").With("value", value).Info("long")
			require.Less(t, text.Len(), 3*maxText, name)
		}
	}
	formatted := 0
	log, _ := newLog(new(bytes.Buffer))
	for range 1000 {
		log.Info("many", "value", stringer(func() string { formatted++; return "" }))
	}
	require.LessOrEqual(t, formatted, 2*burstSeconds*int(testRates.Records))
}

type stringer func() string

func (s stringer) String() string { return s() }

type marshaler struct{}

func (marshaler) MarshalText() ([]byte, error) { return bytes.Repeat([]byte("x"), 10*maxText), nil }

type valuer struct{ value slog.Value }

func (v valuer) LogValue() slog.Value { return v.value }

type nilError struct{ text string }

func (e *nilError) Error() string { return e.text }
