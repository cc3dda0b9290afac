package eng

import (
	"io"
	"os"

	"github.com/iansmith/parigot/internal/nonblock"
)

// stdioChunk bounds what one transfer of a guest's standard stream carries, in bytes, and with
// it what is kept of a transfer that never ends.
const stdioChunk = 64 << 10

// output returns what a guest writes to in place of w.
//
// wazero must not see an [os.File]: it lets the guest make it non-blocking, for all processes
// that share it, and then loses what does not fit into a pipe.
func (i *Instance) output(w io.Writer) io.Writer {
	if file, ok := w.(*os.File); ok {
		return &fileOutput{inst: i, file: file}
	}
	return &chunkedOutput{inst: i, w: w}
}

// chunkedOutput is a writer of the host that a guest writes to, some bytes at a time.
type chunkedOutput struct {
	inst *Instance
	w    io.Writer
}

// Write implements [io.Writer].
func (o *chunkedOutput) Write(p []byte) (written int, err error) {
	for {
		o.inst.check()
		chunk := p[:min(len(p), stdioChunk)]
		n, err := o.w.Write(chunk)
		written += n
		if p = p[len(chunk):]; err != nil || len(p) == 0 {
			return written, err
		}
	}
}

// input is output for what a guest reads.
func (i *Instance) input(r io.Reader) io.Reader {
	if file, ok := r.(*os.File); ok {
		return &fileInput{inst: i, file: file}
	}
	return &chunkedInput{inst: i, r: r}
}

// chunkedInput is a reader of the host that a guest reads, some bytes at a time.
type chunkedInput struct {
	inst *Instance
	r    io.Reader
}

// Read implements [io.Reader].
func (c *chunkedInput) Read(p []byte) (int, error) {
	c.inst.check()
	return c.r.Read(p[:min(len(p), stdioChunk)])
}

// fileOutput is a file of the host that a guest writes to. A slow reader blocks the guest,
// which can still be stopped.
type fileOutput struct {
	inst   *Instance
	file   *os.File
	buf    []byte // the write under way has it, however long it takes
	failed error  // of a write that wrote something, for the next one
}

// Write implements [io.Writer].
func (f *fileOutput) Write(p []byte) (written int, err error) {
	err, f.failed = f.failed, nil
	for len(p) > 0 && err == nil {
		var n int
		f.buf = append(f.buf[:0], p[:min(len(p), stdioChunk)]...)
		n, err = f.inst.transfer(f.file.Write, f.buf)
		written += n
		p = p[n:]
	}
	if written > 0 {
		// A guest can learn one of both: WASI has no result for a write that failed halfway.
		err, f.failed = nil, err
	}
	return written, err
}

// fileInput is a file of the host that a guest reads.
type fileInput struct {
	inst *Instance
	file *os.File
	buf  []byte // the read under way has it, however long it takes
}

// Read implements [io.Reader].
func (f *fileInput) Read(p []byte) (int, error) {
	if f.buf == nil {
		f.buf = make([]byte, stdioChunk)
	}
	n, err := f.inst.transfer(f.file.Read, f.buf[:min(len(p), stdioChunk)])
	return copy(p, f.buf[:n]), err
}

// transfer runs one Read or Write of all of buf, which may block for ever. If the guest is
// stopped meanwhile, it ends the guest and leaves the transfer alone.
func (i *Instance) transfer(do func([]byte) (int, error), buf []byte) (int, error) {
	type result struct {
		n   int
		err error
	}
	ctx := i.running
	done := make(chan result, 1)
	go func() {
		n, err := nonblock.Transfer(ctx, do, buf)
		done <- result{n, err}
	}()
	select {
	case r := <-done:
		return r.n, r.err
	case <-ctx.Done():
		endGuest()
		return 0, ctx.Err()
	}
}
