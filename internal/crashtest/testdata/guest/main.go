//go:build wasip1

// A guest that has a plugin crash, or, as a neighbour, calls another one all the time.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"
	"unsafe"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/iansmith/parigot/pluginsdk/guest"
	"github.com/iansmith/parigot/pluginsdk/status"
)

//go:wasmimport crash.v1.Crash Do
//go:noescape
func do(req unsafe.Pointer, reqLen uint32, resp unsafe.Pointer, respCap uint32) int64

//go:wasmimport other.v1.Other Echo
//go:noescape
func echo(req unsafe.Pointer, reqLen uint32, resp unsafe.Pointer, respCap uint32) int64

func newResponse() proto.Message { return new(wrapperspb.StringValue) }

var (
	methodDo   = guest.Method{Import: do, MayBlock: true, New: newResponse}
	methodEcho = guest.Method{Import: echo, MayBlock: true, New: newResponse}
)

func call(m *guest.Method, req string) (string, error) {
	resp, err := guest.Call[wrapperspb.StringValue](context.Background(), guest.Client{}, m, wrapperspb.String(req))
	return resp.GetValue(), err
}

func main() {
	if os.Args[1] == "neighbour" {
		neighbour()
		return
	}
	before, err := call(&methodDo, "")
	fmt.Println("before", before, err)
	_, err = call(&methodDo, os.Args[1])
	fmt.Println("answer", status.CodeOf(err))
	down := time.Now()
	for { // until the plugin is there
		after, err := call(&methodDo, "")
		if err == nil {
			fmt.Println("back", after, time.Since(down).Milliseconds())
			return
		}
		if status.CodeOf(err) != status.Unavailable {
			fmt.Println("failed", err)
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// neighbour ends when it is told to, or got what it did not ask for.
func neighbour() {
	for i := 0; ; i++ {
		want := strconv.Itoa(i)
		switch got, err := call(&methodEcho, want); {
		case err == nil && got == "end":
			return
		case err != nil || got != want:
			fmt.Println("got", got, err)
			os.Exit(1)
		}
	}
}
