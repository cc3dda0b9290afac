//go:build wasip1

// Guest calls through Parigot, and through the imports that are the limits of what is
// possible, and serves its host.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"unsafe"

	callv1 "github.com/iansmith/parigot/bench/call/gen/call/v1"
	"github.com/iansmith/parigot/bench/call/gen/call/v1/callv1parigot"
	"github.com/iansmith/parigot/bench/call/gen/echo/v1/echov1parigot"
	plainv1 "github.com/iansmith/parigot/bench/call/gen/plain/v1"
	"github.com/iansmith/parigot/bench/call/gen/plain/v1/plainv1parigot"
	"github.com/iansmith/parigot/bench/call/work"
	"github.com/iansmith/parigot/pluginsdk/guest"
)

func init() { echov1parigot.RegisterEcho(echo{}) }

// echo is what the host calls.
type echo struct{}

func (echo) Send(_ context.Context, req *callv1.SendRequest) (*callv1.SendResponse, error) {
	return &callv1.SendResponse{Id: work.NextID(), Payload: req.Payload, Seq: req.Seq, Tags: req.Tags}, nil
}

// nothing is an export that does nothing.
//
//go:wasmexport nothing
func nothing() {}

//go:wasmimport bench.Limit Empty
//go:noescape
func importEmpty(req unsafe.Pointer, reqLen uint32, resp unsafe.Pointer, respCap uint32) int64

//go:wasmimport bench.Limit Copy
//go:noescape
func importCopy(req unsafe.Pointer, reqLen uint32, resp unsafe.Pointer, respCap uint32) int64

//go:wasmimport bench.Limit Memory
//go:noescape
func importMemory(req unsafe.Pointer, reqLen uint32, resp unsafe.Pointer, respCap uint32) int64

// memory returns how large the guest's memory is, in bytes.
//
//go:wasmexport memory_size
func memory() int64 { return importMemory(nil, 0, nil, 0) }

//go:wasmexport empty
func empty(_, calls int32) int32 {
	for range calls {
		importEmpty(nil, 0, nil, 0)
	}
	return 0
}

var answer []byte // of copyPayload

//go:wasmexport copy
func copyPayload(size, calls int32) int32 {
	req := work.Payload(int(size))
	if len(answer) != len(req) {
		answer = make([]byte, size)
	}
	resp := answer
	for range calls {
		importCopy(unsafe.Pointer(unsafe.SliceData(req)), uint32(size), unsafe.Pointer(unsafe.SliceData(resp)), uint32(size))
	}
	if resp[size-1] != req[size-1] {
		return report(errors.New("the payload did not come back"))
	}
	return 0
}

var ctx = context.Background()

//go:wasmexport default
func callDefault(size, calls int32) int32 {
	client, payload, tags := callv1parigot.NewCallClient(), work.Payload(int(size)), work.Tags()
	for seq := range uint64(calls) {
		resp, err := client.Send(ctx, &callv1.SendRequest{Queue: work.Queue, Payload: payload, Seq: seq, Tags: tags})
		if err == nil {
			err = work.Check(resp, int(size), seq)
		}
		if err != nil {
			return report(err)
		}
	}
	return 0
}

//go:wasmexport plain
func callPlain(size, calls int32) int32 {
	client, payload, tags := plainv1parigot.NewPlainClient(), work.Payload(int(size)), work.Tags()
	for seq := range uint64(calls) {
		resp, err := client.Send(ctx, &plainv1.SendRequest{Queue: work.Queue, Payload: payload, Seq: seq, Tags: tags})
		if err == nil {
			err = work.Check(resp, int(size), seq)
		}
		if err != nil {
			return report(err)
		}
	}
	return 0
}

func report(err error) int32 {
	fmt.Fprintln(os.Stderr, err)
	return 1
}

func main() {}

// The client and the request of callOptin, which are used again.
var (
	borrowed = callv1parigot.NewCallClient(guest.Borrowed())
	request  callv1.SendRequest
)

//go:wasmexport optin
func callOptin(size, calls int32) int32 {
	request.Queue, request.Payload, request.Tags = work.Queue, work.Payload(int(size)), work.Tags()
	for seq := range uint64(calls) {
		request.Seq = seq
		resp, err := borrowed.Send(ctx, &request)
		if err == nil {
			err = work.Check(resp, int(size), seq)
		}
		if err != nil {
			return report(err)
		}
	}
	return 0
}
