//go:build !wasip1

package syscall

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

// history records what goroutines do at the same time.
type history struct {
	clock atomic.Int64
	mu    sync.Mutex
	ops   []porcupine.Operation
}

// record runs do, which returns the output of the operation input.
func (h *history) record(client int, input any, do func() any) {
	start := h.clock.Add(1)
	output := do()
	op := porcupine.Operation{ClientId: client, Input: input, Output: output, Call: start, Return: h.clock.Add(1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, op)
}

func (h *history) requireLinearizable(t *testing.T, m porcupine.Model) {
	t.Helper()
	require.Equal(t, porcupine.Ok, porcupine.CheckOperationsTimeout(m, h.ops, 10*time.Second))
}

// queueModel is a queue: what goes in comes out once, in its order.
var queueModel = porcupine.Model{
	Init: func() any { return "" },
	Step: func(state, input, output any) (bool, any) {
		queue, _ := state.(string)
		if in, _ := input.(string); in != "" {
			return true, queue + in + ","
		}
		head := output.(string) + ","
		return len(queue) >= len(head) && queue[:len(head)] == head, queue[min(len(head), len(queue)):]
	},
}

// Calls of many guests to one, which reads on many goroutines, are those of a
// queue.
func TestCallsAreLinearizable(t *testing.T) {
	t.Parallel()
	for round := range 20 {
		b := setup(t, nil)
		server := b.guest("greeting")
		server.serve(greetingService)
		h := new(history)
		var group sync.WaitGroup
		const callers, readers, each = 4, 3, 6
		for c := range callers {
			client := b.guest(fmt.Sprint("client", c))
			client.use(greetingService)
			greeting := client.find(greetingService)
			group.Go(func() {
				for i := range each {
					name := fmt.Sprintf("%d.%d", c, i)
					h.record(c, name, func() any { greeting.mustCall(name); return nil })
				}
			})
		}
		for r := range readers {
			group.Go(func() {
				for range callers * each / readers {
					h.record(callers+r, "", func() any {
						resp, err := server.client.Next(server.ctx, new(syscallpb.NextRequest))
						if err != nil || resp.GetCall() == 0 {
							return fmt.Sprint(resp, err)
						}
						return string(resp.GetParam())
					})
				}
			})
		}
		group.Wait()
		h.requireLinearizable(t, queueModel)
		require.Len(t, h.ops, 2*callers*each, round)
	}
}

// What is done with one call, and how that went.
type callOp struct {
	call uint64
	what string // "answer <value>", "cancel", "read"
}

// callModel is one call: the first that answers or cancels it has its way, and
// the result is read once.
var callModel = porcupine.Model{
	Partition: func(ops []porcupine.Operation) [][]porcupine.Operation {
		byCall := map[uint64][]porcupine.Operation{}
		for _, op := range ops {
			call := op.Input.(callOp).call
			byCall[call] = append(byCall[call], op)
		}
		var parts [][]porcupine.Operation
		for _, part := range byCall {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() any { return "open" },
	Step: func(state, input, output any) (bool, any) {
		op, out := input.(callOp), output.(string)
		switch {
		case op.what == "read":
			return state == "answer "+out, "over"
		case out != "ok":
			return state != "open", state
		case op.what == "cancel":
			return state == "open", "over"
		default:
			return state == "open", op.what
		}
	},
}

// A call has one end, whoever tries to give it one at the same time.
func TestReturnIsLinearizable(t *testing.T) {
	t.Parallel()
	for range 20 {
		b := setup(t, nil)
		server, client, greeting := b.pair()
		const calls = 12
		h, outcome := new(history), func(done bool) any {
			if !done {
				return "refused"
			}
			return "ok"
		}
		var made []*sent
		for i := range calls {
			send := greeting.call
			if i%2 == 0 {
				send = greeting.stand
			}
			call, err := send("x")
			require.NoError(t, err)
			made = append(made, call)
			server.incoming()
		}
		var group sync.WaitGroup
		for try := range 3 {
			group.Go(func() {
				for _, call := range made {
					value := fmt.Sprint("try ", try)
					h.record(try, callOp{call.number, "answer " + value}, func() any { return outcome(server.answer(call.number, value) == nil) })
				}
			})
		}
		group.Go(func() {
			for _, call := range slices.Backward(made) {
				h.record(3, callOp{call.number, "cancel"}, func() any { return outcome(client.cancel(call)) })
			}
		})
		group.Wait()
		for a := client.first(); a != nil; a = client.first() {
			h.record(4, callOp{a.call.number, "read"}, func() any { return a.body })
		}
		h.requireLinearizable(t, callModel)
		require.Empty(t, b.kernel.matcher.promises)
	}
}
