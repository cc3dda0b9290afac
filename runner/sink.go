package runner

import (
	"bytes"
	"context"
	"io"
	"sync"
	"time"

	"github.com/iansmith/parigot/internal/nonblock"
)

const (
	// logBuffer bounds the records that wait to be written, in bytes. Records that do not fit
	// are dropped and counted.
	logBuffer = 8 << 20
	// logChunk bounds what is written at once, in bytes, unless one record is longer. Pipes
	// take this much in one piece.
	logChunk = 4 << 10
	// logKeep bounds the memory that is used again, in bytes.
	logKeep = 1 << 20
	// At its end, a run waits for a log that is not read for stuckLog, and for one that is
	// read slowly for slowLog.
	stuckLog = 2 * time.Second
	slowLog  = 10 * time.Second
)

// sink is the writer of a log: what writes to it never waits for who reads the log. Each Write
// is one record, or several whole lines. It is safe for concurrent use, and must be closed.
type sink struct {
	to   io.Writer
	note func(dropped int) []byte // the record that says how many records were dropped

	moved chan struct{} // has one after progress
	done  chan struct{} // closed when all is written after close

	mu      sync.Mutex
	work    sync.Cond // there is something to do
	waiting []byte
	writing int // bytes that were taken out of waiting and are not written yet
	dropped int
	closing bool
}

// newSink returns a sink that writes to w.
func newSink(w io.Writer, note func(dropped int) []byte) *sink {
	s := &sink{to: w, note: note, moved: make(chan struct{}, 1), done: make(chan struct{})}
	s.work.L = &s.mu
	go s.flush()
	return s
}

// say writes a text, and gives up when nobody reads it.
func say(w io.Writer, text string) { newSink(w, func(int) []byte { return nil }).close(text) }

// Write implements [io.Writer]. It never fails and never waits.
func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting)+s.writing+len(p) > logBuffer {
		s.dropped++
		return len(p), nil
	}
	s.waiting = append(s.waiting, p...)
	s.work.Signal()
	return len(p), nil
}

// close writes what waits, then last, for which there is always room. It gives up when the
// reader is stuck.
func (s *sink) close(last string) {
	s.mu.Lock()
	s.noteDropped()
	s.closing = true
	s.waiting = append(s.waiting, last...)
	s.work.Signal()
	s.mu.Unlock()
	late := time.After(slowLog)
	for {
		select {
		case <-s.done:
			return
		case <-s.moved:
		case <-late:
			return
		case <-time.After(stuckLog):
			return
		}
	}
}

// flush writes what waits until the sink is closed.
func (s *sink) flush() {
	defer close(s.done)
	var batch []byte
	for {
		batch = s.take(batch[:0])
		if len(batch) == 0 {
			return
		}
		for rest := batch; len(rest) > 0; {
			chunk := nextChunk(rest)
			rest = rest[len(chunk):]
			s.write(chunk)
		}
	}
}

// take waits for records and returns them; spare is memory to use again. It returns nothing
// when the sink is closed and empty.
func (s *sink) take(spare []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.waiting) == 0 && !s.closing {
		s.work.Wait()
	}
	if cap(spare) > logKeep {
		spare = nil
	}
	batch := s.waiting
	s.waiting, s.writing = spare, len(batch)
	return batch
}

// write writes whole records, and reports how many were dropped before, now that the log is
// read again.
func (s *sink) write(chunk []byte) {
	_, err := nonblock.Transfer(context.Background(), s.to.Write, chunk)
	s.mu.Lock()
	s.writing -= len(chunk)
	if err != nil {
		s.dropped += bytes.Count(chunk, []byte("\n"))
	} else {
		s.noteDropped()
	}
	s.mu.Unlock()
	select {
	case s.moved <- struct{}{}:
	default:
	}
}

// noteDropped appends a record if any were dropped. The caller holds s.mu.
func (s *sink) noteDropped() {
	if s.dropped > 0 {
		s.waiting = append(s.waiting, s.note(s.dropped)...)
		s.dropped = 0
	}
}

// nextChunk returns the records that are written at once: whole lines.
func nextChunk(p []byte) []byte {
	if end := bytes.LastIndexByte(p[:min(len(p), logChunk)], '\n'); end >= 0 {
		return p[:end+1]
	}
	if end := bytes.IndexByte(p, '\n'); end >= 0 {
		return p[:end+1]
	}
	return p
}
