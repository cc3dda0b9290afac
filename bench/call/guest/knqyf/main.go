//go:build wasip1

// Guest calls through a host function of knqyf263/go-plugin, and is a plugin of it.
package main

import (
	"context"
	"fmt"
	"os"

	knqyfv1 "github.com/iansmith/parigot/bench/call/gen/knqyf/v1"
	"github.com/iansmith/parigot/bench/call/work"
)

func init() { knqyfv1.RegisterPlugin(echo{}) }

type echo struct{}

func (echo) Send(_ context.Context, req *knqyfv1.SendRequest) (*knqyfv1.SendResponse, error) {
	return &knqyfv1.SendResponse{Id: work.NextID(), Payload: req.Payload, Seq: req.Seq, Tags: req.Tags}, nil
}

//go:wasmexport default
func call(size, calls int32) int32 {
	ctx, client, payload, tags := context.Background(), knqyfv1.NewHost(), work.Payload(int(size)), work.Tags()
	for seq := range uint64(calls) {
		resp, err := client.Send(ctx, &knqyfv1.SendRequest{Queue: work.Queue, Payload: payload, Seq: seq, Tags: tags})
		if err == nil {
			err = work.Check(resp, int(size), seq)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return 0
}

func main() {}
