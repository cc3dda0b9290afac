// Peer is one of the two native processes that talk gRPC.
//
//	peer serve SOCKET  returns what it is sent, until its standard input ends
//	peer call SOCKET   does the works that it reads, and prints how many calls each was
//
// Both print the processor time that they have taken: the one for each line that it
// reads, the other for each work.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/iansmith/parigot/bench/syscall/echo"
	"github.com/iansmith/parigot/bench/syscall/usage"
)

// service is what protoc-gen-go-grpc makes of a service with one method.
var service = grpc.ServiceDesc{
	ServiceName: "bench.v1.Echo",
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{
		MethodName: "Echo",
		Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			req := new(wrapperspb.BytesValue)
			return req, decode(req)
		},
	}},
}

func main() {
	role, socket := os.Args[1], os.Args[2]
	do := serve
	if role == "call" {
		do = call
	}
	if err := do(context.Background(), socket); err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}

func serve(ctx context.Context, socket string) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "unix", socket)
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	server.RegisterService(&service, nil)
	go func() {
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			fmt.Println(int64(usage.CPU()))
		}
		server.Stop()
	}()
	return server.Serve(listener)
}

func call(ctx context.Context, socket string) (err error) {
	conn, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	works, done := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var w echo.Work
		if err := works.Decode(&w); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		n, err := w.Run(ctx, func(ctx context.Context, _ int, req *wrapperspb.BytesValue) (*wrapperspb.BytesValue, error) {
			resp := new(wrapperspb.BytesValue)
			return resp, conn.Invoke(ctx, "/bench.v1.Echo/Echo", req, resp)
		})
		if err != nil {
			return err
		}
		if err := done.Encode(echo.Done{Calls: n, CPU: usage.CPU()}); err != nil {
			return err
		}
	}
}
