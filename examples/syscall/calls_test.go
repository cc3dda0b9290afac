//go:build !wasip1

package syscall

import (
	"slices"
	"sync"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

// This file has how guests of tests call and serve: without goroutines, as Call and Next have
// steps that take no time.

// sentCalls are the calls of a guest whose results the test has not read.
type sentCalls struct {
	mu  sync.Mutex
	all []*sent
}

// sent is a call of a guest.
type sent struct {
	*callTicket
	number uint64 // what the target names it by
}

// remote is a located service.
type remote struct {
	g       *guest
	service *parigotpb.Id
	method  *parigotpb.Id // the first one
}

func (g *guest) find(service string) remote {
	found, err := g.locate(service)
	require.NoError(g.t, err)
	return remote{g: g, service: found.GetServiceId(), method: found.GetBinding()[0].GetMethodId()}
}

// room is where tests have the kernel put what it returns.
func room(size uint32) ([]byte, error) { return make([]byte, size), nil }

// stand makes a call whose caller stands still. change may change its request.
func (r remote) stand(param string, change ...func(*syscallpb.CallRequest)) (*sent, error) {
	req := &syscallpb.CallRequest{MethodHigh: r.method.GetHigh(), MethodLow: r.method.GetLow(), Param: []byte(param)}
	for _, c := range change {
		c(req)
	}
	request, err := proto.Marshal(req)
	require.NoError(r.g.t, err)
	t, err := r.g.plugin.departCall(r.g.ctx, request, room)
	if err != nil {
		return nil, err
	}
	call := t.(*callTicket)
	s := &sent{call, call.ci.id.Low()}
	r.g.calls.mu.Lock()
	defer r.g.calls.mu.Unlock()
	r.g.calls.all = append(r.g.calls.all, s)
	return s, nil
}

// call makes a call whose caller goes on.
func (r remote) call(param string, change ...func(*syscallpb.CallRequest)) (*sent, error) {
	s, err := r.stand(param, change...)
	if err == nil {
		s.Leave()
	}
	return s, err
}

func (r remote) mustCall(param string, change ...func(*syscallpb.CallRequest)) *sent {
	s, err := r.call(param, change...)
	require.NoError(r.g.t, err)
	return s
}

// onBehalf is a change of a request: the call is made on behalf of one that the guest serves.
func onBehalf(call uint64) func(*syscallpb.CallRequest) {
	return func(r *syscallpb.CallRequest) { r.Parent = call }
}

// poll reads what is there, without waiting: nil if nothing is.
func (g *guest) poll() (*syscallpb.NextResponse, error) {
	t, err := g.plugin.departNext(g.ctx, nil, room)
	if err != nil {
		return nil, err
	}
	next := t.(*nextTicket)
	if next.reader != nil {
		next.host.unpark(next.reader)
		return nil, nil //nolint:nilnil // documented
	}
	_, body, err := next.Result(g.ctx, room)
	require.NoError(g.t, err)
	resp := new(syscallpb.NextResponse)
	require.NoError(g.t, proto.Unmarshal(body, resp))
	return resp, nil
}

// read waits for something.
func (g *guest) read() *syscallpb.NextResponse {
	resp, err := g.client.Next(g.ctx, new(syscallpb.NextRequest))
	require.NoError(g.t, err)
	return resp
}

// nothing wants nothing to be there.
func (g *guest) nothing() {
	resp, err := g.poll()
	require.NoError(g.t, err)
	require.Nil(g.t, resp, "%v", resp)
	g.noResult()
}

// noResult wants no call to have its result.
func (g *guest) noResult() { require.Nil(g.t, g.first()) }

// incoming reads one call that is there.
func (g *guest) incoming() *syscallpb.NextResponse {
	resp, err := g.poll()
	require.NoError(g.t, err)
	require.NotZero(g.t, resp.GetCall(), "%v", resp)
	return resp
}

// notice reads a notice that is there.
func (g *guest) notice() *syscallpb.NextResponse {
	resp, err := g.poll()
	require.NoError(g.t, err)
	require.NotNil(g.t, resp)
	require.Zero(g.t, resp.GetCall(), "%v", resp)
	return resp
}

// first returns the result of the first call of the guest that has one, or nil.
func (g *guest) first() *answered {
	g.calls.mu.Lock()
	defer g.calls.mu.Unlock()
	for i, s := range g.calls.all {
		if s.done() {
			g.calls.all = slices.Delete(g.calls.all, i, i+1)
			return s.wait(g)
		}
	}
	return nil
}

// result reads one result that is there.
func (g *guest) result() *answered {
	a := g.first()
	require.NotNil(g.t, a, "no call has its result")
	return a
}

// done reports whether a call has its result.
func (s *sent) done() bool { return s.result != nil || len(s.reply) > 0 }

// answered is the result of a call.
type answered struct {
	call *sent
	body string // of a response, or nothing
	err  error
}

// wait waits for the result of a call.
func (s *sent) wait(g *guest) *answered {
	resp := new(syscallpb.CallResponse)
	code, body, err := s.Result(g.ctx, room)
	if err == nil {
		err = core.Result(g.ctx, code, body, resp)
	}
	return &answered{call: s, body: string(resp.GetResult()), err: err}
}

// await waits for the result of a call, and returns it alone.
func (g *guest) await(s *sent) *answered {
	g.forget(s)
	return s.wait(g)
}

func (g *guest) forget(s *sent) {
	g.calls.mu.Lock()
	defer g.calls.mu.Unlock()
	g.calls.all = slices.DeleteFunc(g.calls.all, func(o *sent) bool { return o == s })
}

// cancel ends a call. It is false if the call has its result, which is there to be read then.
func (g *guest) cancel(s *sent) bool {
	if !s.kernel.giveUp(s.ci) {
		return false
	}
	g.forget(s)
	return true
}

func (g *guest) answer(call uint64, value string) error {
	_, err := g.client.ReturnValue(g.ctx, &syscallpb.ReturnValueRequest{CallId: call, Result: []byte(value)})
	return err
}
