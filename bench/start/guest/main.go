//go:build wasip1

// Guest is a library that makes one call of its host, with protobuf.
package main

import (
	"runtime"
	"unsafe"

	"google.golang.org/protobuf/proto"

	callv1 "github.com/iansmith/parigot/bench/call/gen/call/v1"
)

func main() {}

//go:wasmimport bench.v1.Echo Send
//go:noescape
func send(req unsafe.Pointer, reqLen uint32, resp unsafe.Pointer, respCap uint32) int64

// first makes the call, and returns the length of what comes back.
//
//go:wasmexport first
func first() uint32 {
	req, err := proto.Marshal(&callv1.SendRequest{Payload: []byte("0123456789abcdef")})
	if err != nil {
		return 0
	}
	answer := make([]byte, 1<<10)
	n := send(unsafe.Pointer(unsafe.SliceData(req)), uint32(len(req)), unsafe.Pointer(unsafe.SliceData(answer)), uint32(len(answer)))
	runtime.KeepAlive(req)
	if n < 0 {
		return 0
	}
	resp := &callv1.SendRequest{}
	if err := proto.Unmarshal(answer[:n], resp); err != nil {
		return 0
	}
	return uint32(len(resp.Payload))
}
