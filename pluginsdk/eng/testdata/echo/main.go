//go:build wasip1

// A guest that sends messages and looks at what comes back.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"

	"github.com/iansmith/parigot/pluginsdk/guest"
	echov1 "github.com/iansmith/parigot/pluginsdk/testdata/gen/echo/v1"
	"github.com/iansmith/parigot/pluginsdk/testdata/gen/echo/v1/echov1parigot"
	plainv1 "github.com/iansmith/parigot/pluginsdk/testdata/gen/plain/v1"
	"github.com/iansmith/parigot/pluginsdk/testdata/gen/plain/v1/plainv1parigot"
)

var ctx = context.Background()

// main takes three arguments for each series of calls: how, how many, and of which size.
func main() {
	for args := os.Args[1:]; len(args) > 2; args = args[3:] {
		series(args[0], number(args[1]), number(args[2]))
	}
}

func series(how string, calls, size int) {
	call := map[string]func(payload []byte) func() int{
		"default":  func(p []byte) func() int { return send(p) },
		"borrowed": func(p []byte) func() int { return send(p, guest.Borrowed()) },
		"plain":    plainCall,
	}[how](make([]byte, size))
	var before, after runtime.MemStats
	call()
	runtime.ReadMemStats(&before)
	for range calls {
		if got := call(); got != size {
			fmt.Println("sent", size, "bytes, and got", got)
			os.Exit(1)
		}
	}
	runtime.ReadMemStats(&after)
	fmt.Println(after.Mallocs-before.Mallocs, after.Sys)
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	check(err)
	return n
}

func check(err error) {
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
}

func request(payload []byte) *echov1.SendRequest {
	return &echov1.SendRequest{Queue: "orders", Payload: payload, Seq: 42, Tags: []string{"red", "green", "blue"}}
}

func send(payload []byte, opts ...guest.ClientOption) func() int {
	client, req := echov1parigot.NewEchoClient(opts...), request(payload)
	return func() int {
		resp, err := client.Send(ctx, req)
		check(err)
		return len(resp.GetPayload())
	}
}

func plainCall(payload []byte) func() int {
	client, req := plainv1parigot.NewPlainClient(), &plainv1.SendRequest{Queue: "orders", Payload: payload, Seq: 42, Tags: []string{"red", "green", "blue"}}
	return func() int {
		resp, err := client.Send(ctx, req)
		check(err)
		return len(resp.GetPayload())
	}
}
