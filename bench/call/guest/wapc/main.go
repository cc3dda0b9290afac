//go:build wasip1

// Guest calls the host by waPC. The guest's SDK, wapc-guest-tinygo v0.3.3, declares its
// imports for TinyGo and has no imports in standard Go, so hostCall is its HostCall on
// imports that standard Go knows. The messages have vtprotobuf's methods.
package main

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	callv1 "github.com/iansmith/parigot/bench/call/gen/call/v1"
	"github.com/iansmith/parigot/bench/call/work"
)

//go:wasmimport wapc __guest_request
func importGuestRequest(operation, payload unsafe.Pointer)

//go:wasmimport wapc __host_call
//go:noescape
func importHostCall(binding unsafe.Pointer, bindingLen uint32, namespace unsafe.Pointer, namespaceLen uint32,
	operation unsafe.Pointer, operationLen uint32, payload unsafe.Pointer, payloadLen uint32) uint32

//go:wasmimport wapc __host_response_len
func importHostResponseLen() uint32

//go:wasmimport wapc __host_response
func importHostResponse(ptr unsafe.Pointer)

// guestCall does the work that the payload describes.
//
//go:wasmexport __guest_call
func guestCall(operationSize, payloadSize uint32) uint32 {
	operation, payload := make([]byte, operationSize), make([]byte, payloadSize)
	importGuestRequest(unsafe.Pointer(unsafe.SliceData(operation)), unsafe.Pointer(unsafe.SliceData(payload)))
	if err := run(string(payload)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 0
	}
	return 1
}

func run(what string) error {
	var size, calls int
	if _, err := fmt.Sscan(what, &size, &calls); err != nil {
		return err
	}
	payload, tags := work.Payload(size), work.Tags()
	for seq := range uint64(calls) {
		resp, err := send(&callv1.SendRequest{Queue: work.Queue, Payload: payload, Seq: seq, Tags: tags})
		if err == nil {
			err = work.Check(resp, size, seq)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func send(req *callv1.SendRequest) (*callv1.SendResponse, error) {
	b, err := req.MarshalVT()
	if err != nil {
		return nil, err
	}
	if b, err = hostCall("bench", "Call", "Send", b); err != nil {
		return nil, err
	}
	resp := new(callv1.SendResponse)
	return resp, resp.UnmarshalVT(b)
}

func hostCall(binding, namespace, operation string, payload []byte) ([]byte, error) {
	ok := importHostCall(
		unsafe.Pointer(unsafe.StringData(binding)), uint32(len(binding)),
		unsafe.Pointer(unsafe.StringData(namespace)), uint32(len(namespace)),
		unsafe.Pointer(unsafe.StringData(operation)), uint32(len(operation)),
		unsafe.Pointer(unsafe.SliceData(payload)), uint32(len(payload)))
	if ok == 0 {
		return nil, errors.New("the host failed")
	}
	response := make([]byte, importHostResponseLen())
	importHostResponse(unsafe.Pointer(unsafe.SliceData(response)))
	return response, nil
}

func main() {}
