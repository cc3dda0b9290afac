//go:build wasip1

// Command testguest does what its first argument says, for the tests of the file
// plugin. Each mode prints one line when it has come to its point.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"

	filev1 "github.com/iansmith/parigot/examples/file/gen/file/v1"
	"github.com/iansmith/parigot/examples/file/gen/file/v1/filev1parigot"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
)

var files = filev1parigot.NewFileClient()

func main() {
	ctx := context.Background()
	switch mode, args := os.Args[1], os.Args[2:]; mode {
	case "hold": // create a file, tell its id, keep it until standard input ends
		resp, err := files.Create(ctx, &filev1.CreateRequest{Path: args[0]})
		check(err)
		fmt.Println(resp.GetId().GetHigh(), resp.GetId().GetLow())
		_, err = io.Copy(io.Discard, os.Stdin)
		check(err)
	case "spin": // create a file and never come to an end
		_, err := files.Create(ctx, &filev1.CreateRequest{Path: args[0]})
		check(err)
		fmt.Println("spinning")
		for {
		}
	case "use": // do everything to a file that takes an id
		id := &parigotpb.Id{High: number(args[0]), Low: number(args[1])}
		_, readErr := files.Read(ctx, &filev1.ReadRequest{Id: id})
		_, writeErr := files.Write(ctx, &filev1.WriteRequest{Id: id, Data: []byte("stolen")})
		_, closeErr := files.Close(ctx, &filev1.CloseRequest{Id: id})
		fmt.Printf("%v\n%v\n%v\n", readErr, writeErr, closeErr)
	case "create": // tell how creating a file ends
		_, err := files.Create(ctx, &filev1.CreateRequest{Path: args[0]})
		fmt.Println(err)
	}
}

func number(s string) uint64 {
	n, err := strconv.ParseUint(s, 10, 64)
	check(err)
	return n
}

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
