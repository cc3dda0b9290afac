//go:build wasip1

// Guest is a guest of the benchmark that is a program.
//
//	guest serve  returns what it is sent
//	guest call   does the works that it reads
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/iansmith/parigot/bench/call/gen/echo/v1/echov1parigot"
	"github.com/iansmith/parigot/bench/syscall/echo"
)

func main() {
	do := call
	if os.Args[1] == "serve" {
		do = serve
	}
	if err := do(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(ctx context.Context) error { return echov1parigot.ServeEcho(ctx, server{}) }

type server struct{ echo.Server }

// Started tells the host that calls come.
func (server) Started(context.Context) { fmt.Println("serves") }

func call(ctx context.Context) error {
	client, err := echov1parigot.LocateEcho(ctx)
	if err != nil {
		return err
	}
	return echo.Serve(ctx, os.Stdin, os.Stdout, client.Send)
}
