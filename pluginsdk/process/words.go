package process

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// Bounds of what an error quotes of a process's output.
const (
	maxQuotedLines = 6
	maxQuotedLine  = 300 // bytes
)

// words keeps what a process has printed that may tell why it ended: the last lines, or what
// a Go program says first when it crashes, before the stacks of its goroutines. What it wrote
// to standard error comes first. Safe for concurrent use.
type words struct {
	mu             sync.Mutex
	stdout, stderr lastLines
}

// lastLines are lines of one stream.
type lastLines struct {
	lines   []string
	crashed bool // lines begins with the one that says so
	full    bool // and has all that belongs to it
}

func (w *words) add(stream, line string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if stream == "stderr" {
		w.stderr.add(line)
	} else {
		w.stdout.add(line)
	}
}

func (l *lastLines) add(line string) {
	switch {
	case l.full:
		return
	case l.crashed && (strings.TrimSpace(line) == "" || len(l.lines) == maxQuotedLines):
		l.full = true
		return
	case !l.crashed && (strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ")):
		l.crashed, l.lines = true, nil
	case strings.TrimSpace(line) == "":
		return
	case len(l.lines) == maxQuotedLines:
		l.lines = l.lines[1:]
	}
	l.lines = append(l.lines, quoted(line))
}

// String returns the words on one line; "" when there are none.
func (w *words) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.stderr.lines) > 0 {
		return strings.Join(w.stderr.lines, " | ")
	}
	return strings.Join(w.stdout.lines, " | ")
}

// exitedWell is how a program ends that found nothing wrong.
const exitedWell = "exit status 0"

// errNoPlugin is what a program may lack that is asked to be a plugin, and ends well.
var errNoPlugin = errors.New("is it a program whose main function calls process.Main?")

// explain adds to the reason why a process is of no use what it wrote. stranger is how a process
// ended that never spoke as a plugin; nil for others.
func (w *words) explain(reason, stranger error) error {
	text := w.String()
	switch {
	case text != "":
		reason = fmt.Errorf("%w; it wrote: %s", reason, text)
	case stranger != nil:
		reason = fmt.Errorf("%w, and it wrote nothing", reason)
	}
	if stranger != nil && (text == "" || stranger.Error() == exitedWell) {
		return fmt.Errorf("%w: %w", reason, errNoPlugin)
	}
	return reason
}

// quoted returns a line for an error: bounded, and with all characters escaped that would do
// more than be seen.
func quoted(line string) string {
	line = strings.TrimSpace(strings.ReplaceAll(line, "\t", " "))
	cut := ""
	if len(line) > maxQuotedLine {
		line, cut = line[:lastRune([]byte(line[:maxQuotedLine]))], "…"
	}
	var b strings.Builder
	for _, r := range line {
		if strconv.IsGraphic(r) {
			b.WriteRune(r)
		} else {
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
		}
	}
	return b.String() + cut
}
