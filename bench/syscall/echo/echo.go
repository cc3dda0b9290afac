// Package echo is what all sides of the benchmark do: a method that returns its request, and
// a loop around it. Callers in processes and guests of their own get their works as JSON.
package echo

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync"
	"time"

	callv1 "github.com/iansmith/parigot/bench/call/gen/call/v1"
	"github.com/iansmith/parigot/bench/call/work"
	"github.com/iansmith/parigot/bench/internal/latency"
	"github.com/iansmith/parigot/bench/internal/usage"
)

// Server answers.
type Server struct{}

// Send returns what it is sent, with an id.
func (Server) Send(_ context.Context, req *callv1.SendRequest) (*callv1.SendResponse, error) {
	return &callv1.SendResponse{Id: work.NextID(), Payload: req.GetPayload(), Seq: req.GetSeq(), Tags: req.GetTags()}, nil
}

// Work is what callers do.
type Work struct {
	Callers int           // calls at a time
	Payload int           // bytes in each request and each response
	Time    time.Duration // for how long; each caller does it once even if that is 0
}

// Done is what came of it.
type Done struct {
	Calls latency.Counts // how long each took, by the clock of who made it
	CPU   time.Duration  // of all processes: since they began, or for this work
}

// Call is one call.
type Call func(ctx context.Context, req *callv1.SendRequest) (*callv1.SendResponse, error)

// Run does the work.
func (w Work) Run(ctx context.Context, call Call) (latency.Counts, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var group sync.WaitGroup
	counts := make([]latency.Counts, w.Callers)
	start := time.Now()
	for i := range counts {
		group.Go(func() {
			if err := w.loop(ctx, start, call, &counts[i]); err != nil {
				cancel(err)
			}
		})
	}
	group.Wait()
	var all latency.Counts
	all.Merge(counts...)
	return all, context.Cause(ctx)
}

func (w Work) loop(ctx context.Context, start time.Time, call Call, counts *latency.Counts) error {
	payload, tags := work.Payload(w.Payload), work.Tags()
	for seq, now := uint64(0), start; seq == 0 || now.Sub(start) < w.Time; seq++ {
		resp, err := call(ctx, &callv1.SendRequest{Queue: work.Queue, Payload: payload, Seq: seq, Tags: tags})
		if err == nil {
			err = work.Check(resp, w.Payload, seq)
		}
		if err != nil {
			return err
		}
		last := now
		now = time.Now()
		counts.Add(now.Sub(last))
	}
	return nil
}

// Serve does the works that it reads, until in ends, and writes what came of each.
func Serve(ctx context.Context, in io.Reader, out io.Writer, call Call) error {
	works, done := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var w Work
		if err := works.Decode(&w); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		calls, err := w.Run(ctx, call)
		if err == nil {
			err = done.Encode(Done{Calls: calls, CPU: usage.CPU()})
		}
		if err != nil {
			return err
		}
	}
}

// Line is the end of a caller to which Serve is the other one.
type Line struct {
	in  *json.Encoder
	out *json.Decoder
}

// NewLine returns the line to what reads from in, and writes to out.
func NewLine(in io.Writer, out io.Reader) Line {
	return Line{json.NewEncoder(in), json.NewDecoder(out)}
}

// Ask writes a question and reads its answer.
func (l Line) Ask(question, answer any) error {
	if err := l.in.Encode(question); err != nil {
		return err
	}
	return l.out.Decode(answer)
}
