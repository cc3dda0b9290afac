package deploy

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/iansmith/parigot/internal/lograte"
	"github.com/iansmith/parigot/pluginsdk/parigotpb/deploymentpb"
)

func unlimited() *lograte.Limit { return lograte.New(1<<40, 1<<40, nil) }

// TestLinesOverTheRate: a guest that writes without end gets so much into the log, and what is
// dropped is counted; why it ended is known all the same.
func TestLinesOverTheRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&log, nil))
		r := &run{
			File:    &File{Deployment: &deploymentpb.Deployment{Engine: &deploymentpb.Engine{LogRate: proto.Uint64(1000)}}},
			options: options{log: logger},
		}
		limit := r.newLogLimit(&deploymentpb.Guest{Name: "g", LogBurst: proto.Uint64(100_000)})
		stdout, stderr := newLines(logger, "stdout", limit), newLines(logger, "stderr", limit)
		line := []byte(strings.Repeat("x", 1000-lograte.LineCost) + "\n")
		for range 1000 {
			_, _ = stdout.Write(line)
		}
		_, _ = stderr.Write([]byte("panic: oh no\n"))
		require.Equal(t, "panic: oh no", stderr.flush())
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, 100, strings.Count(log.String(), "xxx stream=stdout"))
		require.Contains(t, log.String(), `level=WARN msg="lines dropped: over log_rate" guest=g lines=901 in=1s`)
		_, _ = stdout.Write([]byte("again\n"))
		require.Contains(t, log.String(), "again")
	})
}

// TestLines: whatever the pieces, the log has the lines, none is longer than it may be, and
// no byte is lost.
func TestLines(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 3*MaxLine)
	rapid.Check(t, func(t *rapid.T) {
		var log bytes.Buffer
		l := newLines(slog.New(slog.NewJSONHandler(&log, nil)), "stdout", unlimited())
		var all strings.Builder
		for range rapid.IntRange(0, 8).Draw(t, "pieces") {
			piece := rapid.SampledFrom([]string{
				"a line\n", "\n", "", "é", "x", long[:MaxLine-1], long[:MaxLine], long[:MaxLine+1], long,
			}).Draw(t, "piece")
			n, err := l.Write([]byte(piece))
			require.NoError(t, err)
			require.Equal(t, len(piece), n)
			all.WriteString(piece)
		}
		l.flush()
		l.flush()
		var got strings.Builder
		for d := json.NewDecoder(&log); d.More(); {
			var record struct {
				Msg, Stream string
				GoesOn      bool `json:"goes_on"`
			}
			require.NoError(t, d.Decode(&record))
			require.Equal(t, "stdout", record.Stream)
			require.LessOrEqual(t, len(record.Msg), MaxLine)
			got.WriteString(record.Msg)
			if !record.GoesOn {
				got.WriteByte('\n')
			}
		}
		want := all.String()
		if got.Len() > len(want) {
			want += "\n" // that of the last line
		}
		require.Equal(t, want, got.String())
	})
}

// TestLinesAreHarmless: on a terminal nothing that a guest writes does more than be seen, and
// a line of it cannot look like two.
func TestLinesAreHarmless(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	l := newLines(slog.New(slog.NewTextHandler(&log, nil)), "stderr", unlimited())
	_, err := l.Write([]byte("\x1b[2J\x1b]0;title\a\u009b1m\u202e\xff\x00\rlevel=ERROR msg=forged\r\n"))
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(log.String(), "\n"))
	for _, r := range strings.TrimSuffix(log.String(), "\n") {
		require.True(t, r >= ' ' && r < 0x7f || r == '\uFFFD', "%q in %q", r, log.String())
	}
	require.Contains(t, log.String(), `\x1b[2J`)
}
