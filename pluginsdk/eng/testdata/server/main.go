//go:build wasip1

// A guest that is a library and serves echo.v1.Echo to its host. What a call does, the queue
// of its request says.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/iansmith/parigot/pluginsdk/guest"
	"github.com/iansmith/parigot/pluginsdk/status"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
	echov1 "github.com/iansmith/parigot/pluginsdk/testdata/gen/echo/v1"
)

type echo struct {
	gate  chan string
	calls uint64
	kept  []*echov1.SendRequest
}

func init() {
	e := &echo{gate: make(chan string, 100)}
	guest.Offer(guest.Service{Name: "echo.v1.Echo", Impl: e, Methods: []guest.ServedMethod{
		{Name: "Send", Handler: guest.Adapt(e, (*echo).Send)},
		{Name: "Ping", Handler: guest.Adapt(e, (*echo).Ping)},
		{Name: "Wait", MayBlock: true, Handler: guest.Adapt(e, (*echo).Wait)},
	}})
}

func (e *echo) Send(ctx context.Context, req *echov1.SendRequest) (*echov1.SendResponse, error) {
	e.calls++
	resp := &echov1.SendResponse{Id: "0123456789abcdef", Payload: req.Payload, Seq: req.Seq, Tags: req.Tags}
	what, arg, _ := strings.Cut(req.Queue, " ")
	switch what {
	case "count":
		resp.Seq = e.calls
	case "keep":
		e.kept = append(e.kept, req)
	case "kept":
		first := e.kept[0]
		e.kept = e.kept[1:]
		return &echov1.SendResponse{Id: first.Queue, Payload: first.Payload, Seq: first.Seq, Tags: first.Tags}, nil
	case "nil":
		return nil, nil
	case "enum":
		return nil, status.Error(syscallpb.KernelErr_NotReady, "not yet")
	case "code":
		return nil, status.Error(status.NotFound, "nothing there")
	case "plain":
		return nil, errors.New("a secret of the guest")
	case "panic":
		panic("the guest's own fault")
	case "exit":
		os.Exit(3)
	case "spin":
		for i := 0; ; i++ {
			e.calls += uint64(i)
		}
	case "until":
		for ctx.Err() == nil {
		}
		return nil, ctx.Err()
	case "sleep":
		d, _ := time.ParseDuration(arg)
		time.Sleep(d)
	case "grow":
		var all [][]byte
		for {
			all = append(all, make([]byte, 1<<20))
			runtime.KeepAlive(all)
		}
	case "goexit":
		runtime.Goexit()
	case "context":
		deadline, ok := ctx.Deadline()
		resp.Id = fmt.Sprintf("%v %v %s", guest.Metadata(ctx)["traceparent"], ok, guest.CallerFromContext(ctx))
		resp.Seq = uint64(time.Until(deadline))
	case "large":
		resp.Payload = make([]byte, req.Seq)
	case "open":
		e.gate <- arg
	}
	return resp, nil
}

func (e *echo) Wait(ctx context.Context, req *echov1.WaitRequest) (*echov1.WaitResponse, error) {
	what, arg, _ := strings.Cut(req.GetSend().GetQueue(), " ")
	resp := &echov1.SendResponse{}
	switch what {
	case "gate":
		select {
		case resp.Id = <-e.gate:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	case "deaf":
		<-e.gate
	case "spin":
		for i := 0; ; i++ {
			e.calls += uint64(i)
		}
	case "sleep":
		d, _ := time.ParseDuration(arg)
		time.Sleep(d)
	case "goexit":
		runtime.Goexit()
	case "yield":
		for ctx.Err() == nil {
			runtime.Gosched()
		}
		return nil, ctx.Err()
	default:
		sent, err := e.Send(ctx, req.GetSend())
		return &echov1.WaitResponse{Send: sent}, err
	}
	return &echov1.WaitResponse{Send: resp}, nil
}

// Ping is for measurements: what comes back is what was sent.
func (*echo) Ping(_ context.Context, req *echov1.SendRequest) (*echov1.SendResponse, error) {
	return &echov1.SendResponse{Id: "0123456789abcdef", Payload: req.Payload, Seq: req.Seq, Tags: req.Tags}, nil
}

// empty is for measurements.
//
//go:wasmexport empty
func empty() {}

func main() {}
