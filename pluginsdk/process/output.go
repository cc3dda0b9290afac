package process

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// maxOutputLine bounds a line that a plugin prints, in bytes. A longer one goes on in the
// next record.
const maxOutputLine = 8 << 10

// lastWords is how long the output of a process is waited for that has ended. Something
// that it started may hold it open.
const lastWords = 200 * time.Millisecond

// output is what a process prints.
type output struct {
	words       words
	read, write []*os.File
	readers     sync.WaitGroup
}

// newOutput has what cmd prints logged line by line. It must be finished.
func newOutput(cmd *exec.Cmd, log *slog.Logger) (*output, error) {
	o := new(output)
	for stream, to := range map[string]*io.Writer{"stdout": &cmd.Stdout, "stderr": &cmd.Stderr} {
		r, w, err := os.Pipe()
		if err != nil {
			o.finish()
			return nil, err
		}
		*to = w
		o.read, o.write = append(o.read, r), append(o.write, w)
		ofStream := log.With("stream", stream) //nolint:forbidigo // it is the engine's logger
		o.readers.Go(func() {
			readLines(r, func(line string, goesOn bool) {
				o.words.add(stream, line)
				logLine(ofStream, line, goesOn)
			})
		})
	}
	return o, nil
}

// started closes the ends that the process has now.
func (o *output) started() {
	for _, w := range o.write {
		_ = w.Close() // nothing was written here
	}
	o.write = nil
}

// finish waits for the last words and frees everything.
func (o *output) finish() {
	o.started()
	for _, r := range o.read {
		_ = r.SetReadDeadline(time.Now().Add(lastWords)) // without it the end of the stream has to do
	}
	o.readers.Wait()
	for _, r := range o.read {
		_ = r.Close()
	}
}

func logLine(to *slog.Logger, line string, goesOn bool) {
	var attrs []slog.Attr
	if goesOn {
		attrs = append(attrs, slog.Bool("goes_on", true))
	}
	to.LogAttrs(context.Background(), slog.LevelInfo, line, attrs...)
}

// readLines calls line for each line of r, until there is no more. Of a line that goes on it
// has a piece, which does not cut a character in two.
func readLines(r io.Reader, line func(text string, goesOn bool)) {
	buf := make([]byte, maxOutputLine+len("\n"))
	for begin, end := 0, 0; ; {
		n, err := r.Read(buf[end:])
		end += n
		for {
			i := bytes.IndexByte(buf[begin:end], '\n')
			if i < 0 {
				break
			}
			line(textLine(buf[begin:begin+i]), false)
			begin += i + 1
		}
		begin, end = 0, copy(buf, buf[begin:end])
		if end == len(buf) {
			begin = lastRune(buf[:maxOutputLine])
			line(textLine(buf[:begin]), true)
			begin, end = 0, copy(buf, buf[begin:end])
		}
		if err != nil {
			if end > 0 {
				line(textLine(buf[:end]), false)
			}
			return
		}
	}
}

func textLine(line []byte) string {
	return strings.ToValidUTF8(string(bytes.TrimSuffix(line, []byte("\r"))), "\uFFFD")
}

// lastRune returns where the character begins that the end of b cuts in two; len(b) when
// it cuts none.
func lastRune(b []byte) int {
	for i := len(b) - 1; i >= len(b)-utf8.UTFMax; i-- {
		if utf8.RuneStart(b[i]) {
			if utf8.FullRune(b[i:]) {
				break
			}
			return i
		}
	}
	return len(b)
}
