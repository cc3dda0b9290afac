package plugintest

import (
	"bytes"
	"sync"
)

// Output is a writer that a test may read while others write: what a guest prints that runs
// beside the test, see [eng.WithStdout], or what an engine logs, see [eng.WithLogger]. The
// zero value is empty and ready to use. It is safe for concurrent use.
type Output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements [io.Writer]. It does not fail.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// String returns all that was written until now.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
