//go:build wasip1

// Guest calls a host function, and is called by its host, through Extism's PDK. Its messages have vtprotobuf's
// methods, and travel as bytes in blocks of Extism's memory.
package main

import (
	"fmt"
	"os"

	pdk "github.com/extism/go-pdk"

	callv1 "github.com/iansmith/parigot/bench/call/gen/call/v1"
	"github.com/iansmith/parigot/bench/call/work"
)

//go:wasmimport extism:host/user send
func importSend(offset uint64) uint64

//go:wasmexport call
func call() int32 {
	var size, calls int32
	if _, err := fmt.Sscan(pdk.InputString(), &size, &calls); err != nil {
		return report(err)
	}
	payload, tags := work.Payload(int(size)), work.Tags()
	for seq := range uint64(calls) {
		resp, err := send(&callv1.SendRequest{Queue: work.Queue, Payload: payload, Seq: seq, Tags: tags})
		if err == nil {
			err = work.Check(resp, int(size), seq)
		}
		if err != nil {
			return report(err)
		}
	}
	return 0
}

func send(req *callv1.SendRequest) (*callv1.SendResponse, error) {
	b, err := req.MarshalVT()
	if err != nil {
		return nil, err
	}
	mem := pdk.AllocateBytes(b)
	answer := pdk.FindMemory(importSend(mem.Offset()))
	mem.Free()
	b = answer.ReadBytes()
	answer.Free()
	resp := new(callv1.SendResponse)
	return resp, resp.UnmarshalVT(b)
}

//go:wasmexport serve
func serve() int32 {
	req := new(callv1.SendRequest)
	if err := req.UnmarshalVT(pdk.Input()); err != nil {
		return report(err)
	}
	b, err := (&callv1.SendResponse{Id: work.NextID(), Payload: req.Payload, Seq: req.Seq, Tags: req.Tags}).MarshalVT()
	if err != nil {
		return report(err)
	}
	pdk.Output(b)
	return 0
}

func report(err error) int32 {
	fmt.Fprintln(os.Stderr, err)
	return 1
}

func main() {}
