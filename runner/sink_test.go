package runner

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// slowReader is a log that somebody reads as slowly as the gate lets them.
type slowReader struct {
	gate chan struct{} // closed: reads everything
	text bytes.Buffer
}

func (r *slowReader) Write(p []byte) (int, error) {
	<-r.gate
	return r.text.Write(p)
}

func newTextLog(w io.Writer) *slog.Logger { return slog.New(newTextHandler(w, nil)) }

// TestSinkDropsAndCounts: nobody who logs waits for the reader, what does not fit is counted
// when the log flows again, and all else arrives in order.
func TestSinkDropsAndCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &slowReader{gate: make(chan struct{})}
		s := newLogSink(to, newTextLog)
		log := newTextLog(s)
		const fits, more = 8, 5
		text := strings.Repeat("x", logBuffer/fits-100)
		for i := range fits + more {
			log.Info(fmt.Sprint(i, text))
		}
		synctest.Wait()
		close(to.gate)
		synctest.Wait()
		log.Info("flows again")
		s.close("the end\n")
		lines := strings.Split(to.text.String(), "\n")
		for i := range fits {
			require.Equal(t, fmt.Sprint(i, text), lines[i][len("14:02:15 "):])
		}
		require.Regexp(t, `^\S+ WARN log records were dropped: nobody read the log in time records=5$`, lines[fits])
		require.Regexp(t, `^\S+ flows again$`, lines[fits+1])
		require.Equal(t, []string{"the end", ""}, lines[fits+2:])
	})
}

// TestSinkEnds: a log that nobody reads holds up the end of a run for a bounded time; one that
// is read slowly is waited for.
func TestSinkEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stuck := &slowReader{gate: make(chan struct{})}
		s := newLogSink(stuck, newTextLog)
		_, _ = s.Write([]byte("a record\n"))
		began := time.Now()
		s.close("the end\n")
		require.Equal(t, stuckLog, time.Since(began))

		slow := &slowReader{gate: make(chan struct{})}
		s = newLogSink(slow, newTextLog)
		const records = 6
		for range records {
			_, _ = s.Write([]byte(strings.Repeat("x", logChunk) + "\n"))
		}
		go func() {
			for range records {
				time.Sleep(stuckLog / 2)
				slow.gate <- struct{}{}
			}
			close(slow.gate)
		}()
		s.close("the end\n")
		require.Equal(t, records+1, strings.Count(slow.text.String(), "\n"))

		close(stuck.gate) // lets the goroutine end
	})
}
