// Peer is one of the two native processes that talk gRPC.
//
//	peer serve SOCKET  returns what it is sent, until its standard input ends
//	peer call SOCKET   does the works that it reads
//
// Both print the processor time that they have taken: the one for each line that it
// reads, the other for each work.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	callv1 "github.com/iansmith/parigot/bench/call/gen/call/v1"
	"github.com/iansmith/parigot/bench/internal/usage"
	"github.com/iansmith/parigot/bench/syscall/echo"
)

// service is what protoc-gen-go-grpc makes of bench.echo.v1.Echo.
var service = grpc.ServiceDesc{
	ServiceName: "bench.echo.v1.Echo",
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{
		MethodName: "Send",
		Handler: func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			req := new(callv1.SendRequest)
			if err := decode(req); err != nil {
				return nil, err
			}
			return echo.Server{}.Send(ctx, req)
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
	return echo.Serve(ctx, os.Stdin, os.Stdout, func(ctx context.Context, req *callv1.SendRequest) (*callv1.SendResponse, error) {
		resp := new(callv1.SendResponse)
		return resp, conn.Invoke(ctx, "/bench.echo.v1.Echo/Send", req, resp)
	})
}
