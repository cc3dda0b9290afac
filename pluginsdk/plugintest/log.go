package plugintest

import (
	"io"
	"sync"
)

// testLog writes to the output of a test, and nothing after the test's end: calls that their
// plugin has not finished when the engine closes may log later, and a test panics then.
type testLog struct {
	mu sync.Mutex
	to io.Writer // nil after the end
}

// Write implements [io.Writer].
func (l *testLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.to == nil {
		return len(p), nil
	}
	return l.to.Write(p)
}

func (l *testLog) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.to = nil
}
