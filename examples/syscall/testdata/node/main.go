//go:build wasip1

// Command node is a guest of the chaos test: one node of a graph of guests that call
// each other.
//
//	node SERVICE SEED REQUIRED ...
//
// It serves SERVICE and calls the services that it requires, on behalf of calls and on
// its own. A line on its standard error that begins with "chaos:" is a call that did
// not end as it has to.
package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unsafe"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/iansmith/parigot/pluginsdk/guest"
	"github.com/iansmith/parigot/pluginsdk/guest/kernel"
	"github.com/iansmith/parigot/pluginsdk/status"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

const (
	// callers is how many calls of its own a node makes at a time.
	callers = 2
	// limit is the deadline of these, and grace what the end of a call may take
	// beyond it on a machine with too much to do.
	limit = 2 * time.Second
	grace = 20 * time.Second
	// pause is the longest time between two of them.
	pause = 500 * time.Millisecond
)

// How a node ends that is told to, beside with 0.
const (
	exitFailed = 1
	exitAsked  = 3
	exitLeft   = 4
)

// errLeave ends a node that takes leave of the kernel first.
var errLeave = errors.New("told to leave")

type node struct {
	service  string
	requires []string
	leave    context.CancelCauseFunc

	mu      sync.Mutex
	random  *rand.Rand
	remotes map[string]*kernel.Remote
}

func main() {
	seed, err := strconv.ParseUint(os.Args[2], 10, 64)
	if err != nil {
		fail(err)
	}
	ctx, leave := context.WithCancelCause(context.Background())
	n := &node{
		service: os.Args[1], requires: os.Args[3:], leave: leave,
		random: rand.New(rand.NewPCG(seed, 0)), remotes: map[string]*kernel.Remote{}, //nolint:gosec // repeatable on purpose
	}
	err = kernel.Serve(ctx, guest.Service{
		Name: n.service, Impl: n,
		Methods: []guest.ServedMethod{{Name: "Visit", Handler: guest.Adapt(n, (*node).visit)}},
	}, n.requires...)
	switch {
	case err == nil:
	case errors.Is(context.Cause(ctx), errLeave):
		os.Exit(exitLeft)
	default:
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(exitFailed)
}

// Started has the node make calls of its own once it is there for those of others.
func (n *node) Started(ctx context.Context) {
	for range callers {
		go n.load(ctx)
	}
}

func (n *node) load(ctx context.Context) {
	for ctx.Err() == nil && len(n.requires) > 0 {
		_, _ = n.call(ctx, n.pick(), 2)
		time.Sleep(time.Duration(n.intN(int(pause))))
	}
}

func (n *node) intN(most int) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.random.IntN(most)
}

func (n *node) pick() string { return n.requires[n.intN(len(n.requires))] }

// visit goes on to other nodes, as many times as it is told, and returns the way. Or
// it ends the node in one of several ways.
func (n *node) visit(ctx context.Context, req *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
	switch word := req.GetValue(); word {
	case "trap":
		*(*byte)(unsafe.Add(unsafe.Pointer(n), 1<<31)) = 1 // outside of any memory that there is
		return nil, errors.New("there is memory")
	case "exit":
		os.Exit(exitAsked)
	case "panic":
		panic("as told")
	case "leave":
		n.leave(errLeave)
	case "end":
		return nil, kernel.Exit(ctx, 0)
	default:
		hops, err := strconv.Atoi(word)
		if err != nil {
			return nil, status.Error(status.InvalidArgument, "no number of hops: "+word)
		}
		return n.hop(ctx, hops)
	}
	return new(wrapperspb.StringValue), nil
}

func (n *node) hop(ctx context.Context, hops int) (*wrapperspb.StringValue, error) {
	if hops == 0 || len(n.requires) == 0 {
		return wrapperspb.String(n.service), nil
	}
	if n.intN(50) == 0 {
		<-ctx.Done() // a node that does not answer; each call has a deadline
		return nil, ctx.Err()
	}
	rest, err := n.call(ctx, n.pick(), hops-1)
	if err != nil {
		return nil, err
	}
	return wrapperspb.String(n.service + " " + rest.GetValue()), nil
}

// call calls another node and checks how that ends.
func (n *node) call(ctx context.Context, service string, hops int) (*wrapperspb.StringValue, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	start := time.Now()
	resp, err := n.remoteCall(ctx, service, wrapperspb.String(strconv.Itoa(hops)))
	if took := time.Since(start); took > limit+grace {
		complain("a call of %s took %s: %v", service, took, err)
	}
	if err == nil && !strings.HasPrefix(resp.GetValue(), service) {
		complain("a call of %s was answered with %q", service, resp.GetValue())
	}
	if err != nil && !typed(err) {
		complain("a call of %s ended with %v", service, err)
	}
	return resp, err
}

func (n *node) remoteCall(ctx context.Context, service string, req *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
	n.mu.Lock()
	remote := n.remotes[service]
	n.mu.Unlock()
	if remote == nil {
		found, err := kernel.Locate(ctx, service, "Visit")
		if err != nil {
			return nil, err
		}
		n.mu.Lock()
		n.remotes[service] = found
		n.mu.Unlock()
		remote = found
	}
	return kernel.Call[wrapperspb.StringValue](ctx, remote, 0, req)
}

// typed reports whether a call may end with err when others end. Only Locate, which
// waits for who serves, has RunTimeout, and AbortRequest as it is.
func typed(err error) bool {
	if errors.Is(err, status.Of(syscallpb.KernelErr_RunTimeout)) || errors.Is(err, status.Of(syscallpb.KernelErr_AbortRequest)) {
		return true
	}
	return slices.Contains([]status.Code{
		status.Unavailable, status.DeadlineExceeded, status.Cancelled, status.ResourceExhausted,
	}, status.CodeOf(err))
}

func complain(format string, args ...any) { fmt.Fprintf(os.Stderr, "chaos: "+format+"\n", args...) }
