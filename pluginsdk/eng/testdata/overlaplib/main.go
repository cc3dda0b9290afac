//go:build wasip1

// A guest that is a library, with calls that go on between those of its exports.
package main

import (
	"context"
	"unsafe"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/iansmith/parigot/pluginsdk/future"
	"github.com/iansmith/parigot/pluginsdk/guest"
)

//go:wasmimport test.v1.Overlap Work
//go:noescape
func importWork(req unsafe.Pointer, reqLen uint32, resp unsafe.Pointer, respCap uint32) int64

func newResponse() proto.Message { return new(wrapperspb.BytesValue) }

var methodWork = guest.Method{Import: importWork, MayBlock: true, New: newResponse}

func work(ctx context.Context, req *wrapperspb.BytesValue) (*wrapperspb.BytesValue, error) {
	return guest.Call[wrapperspb.BytesValue](ctx, guest.Client{}, &methodWork, req)
}

var begun *future.Method[*wrapperspb.BytesValue, error]

// begin starts a call: "gate", or else "block".
//
//go:wasmexport begin
func begin(gate int32) {
	what := "block"
	if gate != 0 {
		what = "gate"
	}
	begun = future.Go(context.Background(), work, wrapperspb.Bytes([]byte(what)))
}

// collect waits for it, and returns the length of the response, or -1.
//
//go:wasmexport collect
func collect() int32 {
	resp, err := future.Await(context.Background(), begun)
	if err != nil {
		return -1
	}
	return int32(len(resp.Value))
}

func main() {}
