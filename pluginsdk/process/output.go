package process

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// maxOutputLine is where a line that a plugin prints is cut, in bytes.
const maxOutputLine = 8 << 10

// lastWords is how long the output of a process is waited for that has ended. Something
// that it started may hold it open.
const lastWords = 200 * time.Millisecond

// output is what a process prints.
type output struct {
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
		o.readers.Go(func() { logLines(r, log, stream) })
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

// logLines logs what a plugin prints, line by line, until there is no more.
func logLines(r io.Reader, to *slog.Logger, stream string) {
	lines := bufio.NewReaderSize(r, maxOutputLine)
	for {
		line, err := lines.ReadSlice('\n')
		if len(line) > 0 {
			text := strings.ToValidUTF8(string(bytes.TrimRight(line, "\r\n")), "\uFFFD")
			to.Info(text, "stream", stream)
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}
