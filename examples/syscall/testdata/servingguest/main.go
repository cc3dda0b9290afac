//go:build wasip1

// Command servingguest is a guest of the tests that stands on the generated code: it
// serves, or calls those that serve.
//
//	servingguest worker [NAME]     serve Worker, as NAME
//	servingguest relay             serve Relay, which requires Worker
//	servingguest both              serve Relay and Worker
//	servingguest twice             serve Worker twice
//	servingguest first             serve the service that the guest is named after,
//	                               once it has located the other one
//	servingguest nil               serve nothing
//	servingguest leave             serve Worker until a call of "block"
//	servingguest ask [LINE...]     call as the lines say, or those of standard input,
//	                               and print what comes of it
//	servingguest exit CODE         ask all to end
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
	"unsafe"

	kerneltestv1 "github.com/iansmith/parigot/examples/syscall/testdata/gen/kerneltest/v1"
	"github.com/iansmith/parigot/examples/syscall/testdata/gen/kerneltest/v1/kerneltestv1parigot"
	"github.com/iansmith/parigot/pluginsdk/future"
	"github.com/iansmith/parigot/pluginsdk/guest"
	"github.com/iansmith/parigot/pluginsdk/guest/kernel"
	"github.com/iansmith/parigot/pluginsdk/status"
)

func main() {
	ctx := context.Background()
	switch args := os.Args[2:]; os.Args[1] {
	case "worker":
		name := strings.Join(args, " ")
		end(kerneltestv1parigot.ServeWorker(ctx, newWorker(name)))
	case "relay":
		end(serveRelay(ctx))
	case "both":
		both(ctx)
	case "twice":
		go func() { end(kerneltestv1parigot.ServeWorker(ctx, newWorker(""))) }()
		_, err := kerneltestv1parigot.LocateWorker(ctx)
		end(errors.Join(err, kerneltestv1parigot.ServeWorker(ctx, newWorker(""))))
	case "first":
		first(ctx)
	case "nil":
		end(kerneltestv1parigot.ServeWorker(ctx, nil))
	case "leave":
		leave(ctx)
	case "exit":
		code, err := strconv.Atoi(args[0])
		end(errors.Join(err, kernel.Exit(ctx, code)))
	case "ask":
		for _, line := range args {
			fmt.Println(ask(ctx, line))
		}
		for lines := bufio.NewScanner(os.Stdin); len(args) == 0 && lines.Scan(); {
			fmt.Println(ask(ctx, lines.Text()))
		}
	}
}

func end(err error) {
	if exit, ok := errors.AsType[*kernel.ExitError](err); ok {
		os.Exit(exit.Code)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// both serves two services, of which one requires the other.
func both(ctx context.Context) {
	ended := make(chan error, 2)
	go func() { ended <- serveRelay(ctx) }()
	go func() { ended <- kerneltestv1parigot.ServeWorker(ctx, newWorker("")) }()
	end(errors.Join(<-ended, <-ended))
}

// first locates before it serves.
func first(ctx context.Context) {
	if os.Args[0] == kerneltestv1parigot.RelayServiceName {
		_, err := kerneltestv1parigot.LocateWorker(ctx)
		end(err)
		end(serveRelay(ctx))
		return
	}
	_, err := kerneltestv1parigot.LocateRelay(ctx)
	end(err)
	end(kerneltestv1parigot.ServeWorker(ctx, newWorker("")))
}

// leave serves until its own context ends, with a call that is being served.
func leave(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	w := newWorker("")
	w.entered = cancel
	err := kerneltestv1parigot.ServeWorker(ctx, w)
	fmt.Println(err, errors.Is(err, context.Canceled), w.counts["ended"])
	fmt.Println(kerneltestv1parigot.ServeWorker(context.Background(), newWorker("")))
}

type worker struct {
	name    string
	entered func() // called when a call waits for its end

	mu      sync.Mutex
	changed *sync.Cond
	counts  map[string]int
}

func newWorker(name string) *worker {
	w := &worker{name: name, entered: func() {}, counts: map[string]int{}}
	w.changed = sync.NewCond(&w.mu)
	return w
}

// Started is called when calls come.
func (*worker) Started(context.Context) { fmt.Println("serving") }

func (w *worker) Hurry(ctx context.Context, req *kerneltestv1.DoRequest) (*kerneltestv1.DoResponse, error) {
	return w.Do(ctx, req)
}

func (w *worker) Do(ctx context.Context, req *kerneltestv1.DoRequest) (*kerneltestv1.DoResponse, error) {
	text, err := w.do(ctx, req.GetWhat(), req.GetWith())
	if err != nil || text == "nothing" {
		return nil, err
	}
	return &kerneltestv1.DoResponse{Text: text}, nil
}

func (w *worker) do(ctx context.Context, what, with string) (string, error) {
	switch what {
	case "echo", "nothing":
		return with, nil
	case "name":
		return w.name, nil
	case "caller":
		return guest.CallerFromContext(ctx).Name, nil
	case "metadata":
		return guest.Metadata(ctx)[with], nil
	case "deadline":
		deadline, ok := ctx.Deadline()
		return fmt.Sprint(ok, ok && time.Until(deadline) <= time.Hour), nil
	case "block":
		w.count("blocked")
		w.entered()
		<-ctx.Done()
		w.count("ended")
		return "", ctx.Err()
	case "meet":
		w.count("meet")
		return w.wait("meet", with)
	case "wait":
		what, with, _ = strings.Cut(with, " ")
		return w.wait(what, with)
	case "settle":
		return w.settle(), nil
	case "size":
		n, err := strconv.Atoi(with)
		return strings.Repeat("x", n), err
	}
	return "", fail(what)
}

// count counts calls that have come to some point.
func (w *worker) count(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts[what]++
	w.changed.Broadcast()
}

// wait waits until n calls have.
func (w *worker) wait(what, n string) (string, error) {
	want, err := strconv.Atoi(n)
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.counts[what] < want {
		w.changed.Wait()
	}
	return n, err
}

// settle waits until all calls that have blocked have ended, and returns how many.
func (w *worker) settle() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.counts["ended"] < w.counts["blocked"] {
		w.changed.Wait()
	}
	return strconv.Itoa(w.counts["ended"])
}

// fail fails in one of the ways there are.
func fail(how string) error {
	switch how {
	case "own":
		return status.Error(kerneltestv1.WorkerErr_WORKER_ERR_AS_ASKED, "here you are")
	case "canonical":
		return status.Error(status.NotFound, "nothing there")
	case "secret":
		return errors.New("a secret of the worker")
	case "panic":
		panic("a secret of the worker")
	case "null":
		var none *worker
		return errors.New(none.name)
	case "goexit":
		runtime.Goexit()
	case "trap":
		var here byte
		return errors.New(string(*(*byte)(unsafe.Add(unsafe.Pointer(&here), 1<<31))))
	case "die":
		os.Exit(3)
	case "long":
		return status.Error(kerneltestv1.WorkerErr_WORKER_ERR_AS_ASKED, strings.Repeat("x", 32<<20))
	}
	return status.Error(status.Unimplemented, how)
}

func serveRelay(ctx context.Context) error {
	return kerneltestv1parigot.ServeRelay(ctx, relay{}, kerneltestv1parigot.WorkerServiceName)
}

// relay has a worker do what it is told.
type relay struct{}

func (relay) Started(context.Context) { fmt.Println("serving") }

func (relay) Do(ctx context.Context, req *kerneltestv1.DoRequest) (*kerneltestv1.DoResponse, error) {
	client, err := kerneltestv1parigot.LocateWorker(ctx)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(ctx, req)
	if err != nil {
		return nil, err
	}
	return &kerneltestv1.DoResponse{Text: "relayed " + resp.GetText()}, nil
}

type method = func(context.Context, *kerneltestv1.DoRequest) (*kerneltestv1.DoResponse, error)

// ask makes calls: a line is how, then what to do and what with.
func ask(ctx context.Context, line string) string {
	how, rest, _ := strings.Cut(line, " ")
	what, with, _ := strings.Cut(rest, " ")
	req := &kerneltestv1.DoRequest{What: what, With: with}
	if how == "relay" {
		client, err := kerneltestv1parigot.LocateRelay(ctx)
		if err != nil {
			return err.Error()
		}
		ctx = guest.WithMetadata(ctx, "traceparent", "00-abc")
		return call(ctx, client.Do, req)
	}
	client, err := kerneltestv1parigot.LocateWorker(ctx)
	if err != nil {
		return err.Error()
	}
	switch how {
	case "hurry":
		return call(ctx, client.Hurry, req)
	case "within", "hour":
		limit := 50 * time.Millisecond
		if how == "hour" {
			limit = time.Hour
		}
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		return call(ctx, client.Do, req)
	case "cancel", "forget":
		// The line is when to end a call.
		ending, cancel := context.WithCancel(ctx)
		defer cancel()
		f := future.Go(ending, client.Do, &kerneltestv1.DoRequest{What: "block"})
		answer := call(ctx, client.Do, req)
		if how == "forget" {
			f.Cancel()
		}
		cancel()
		_, err := future.Await(ctx, f)
		return answer + " " + err.Error()
	case "many":
		return many(ctx, client, req)
	}
	return call(ctx, client.Do, req)
}

func call(ctx context.Context, do method, req *kerneltestv1.DoRequest) string {
	resp, err := do(ctx, req)
	if err != nil {
		return err.Error()
	}
	if text := resp.GetText(); len(text) < 100 {
		return text
	}
	return fmt.Sprint(len(resp.GetText()), " bytes")
}

// many makes as many calls at once as their text says, and counts the answers.
func many(ctx context.Context, client kerneltestv1parigot.WorkerClient, req *kerneltestv1.DoRequest) string {
	n, err := strconv.Atoi(req.GetWith())
	if err != nil {
		return err.Error()
	}
	answers := make([]string, n)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() { answers[i] = call(ctx, client.Do, req) })
	}
	all.Wait()
	count := map[string]int{}
	for _, answer := range answers {
		count[answer]++
	}
	return fmt.Sprint(count)
}
