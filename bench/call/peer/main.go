// Peer is the native process that the benchmark calls.
//
//	peer grpc SOCKET  serves gRPC on a unix socket, until its standard input ends
//	peer              is a plugin of hashicorp/go-plugin
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/iansmith/parigot/bench/call/echo"
	plainv1 "github.com/iansmith/parigot/bench/call/gen/plain/v1"
)

func main() {
	if len(os.Args) == 1 {
		plugin.Serve(&plugin.ServeConfig{
			HandshakeConfig: echo.Handshake, Plugins: echo.Plugins,
			GRPCServer: func(opts []grpc.ServerOption) *grpc.Server { return grpc.NewServer(opts...) },
		})
		return
	}
	if err := serve(os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}

func serve(socket string) error {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "unix", socket)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	server := grpc.NewServer(grpc.MaxRecvMsgSize(echo.MaxMessage))
	plainv1.RegisterPlainServer(server, echo.Server{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // it ends, whatever the error
		server.Stop()
	}()
	return server.Serve(listener)
}
