package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/iansmith/parigot/bench/call/echo"
	plainv1 "github.com/iansmith/parigot/bench/call/gen/plain/v1"
	"github.com/iansmith/parigot/bench/call/work"
)

// process is a native process that is called by gRPC over a unix socket.
type process struct {
	client  plainv1.PlainClient
	payload int
	stop    func() error
}

func (p *process) run(ctx context.Context, calls int) error {
	payload, tags := work.Payload(p.payload), work.Tags()
	for seq := range uint64(calls) {
		resp, err := p.client.Send(ctx, &plainv1.SendRequest{Queue: work.Queue, Payload: payload, Seq: seq, Tags: tags})
		if err == nil {
			err = work.Check(resp, p.payload, seq)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *process) mallocs(ctx context.Context) (uint64, error) {
	resp, err := p.client.Send(ctx, &plainv1.SendRequest{Queue: echo.Mallocs})
	return resp.GetId(), err
}

func (*process) memory(context.Context) (uint64, error) { return 0, nil }
func (p *process) close(context.Context) error          { return p.stop() }

// grpcSide is gRPC as it is.
func grpcSide(b *built) side {
	return side{"grpc", peer, func(ctx context.Context, payload int) (contest, error) {
		dir, err := os.MkdirTemp("", "bench") // not elsewhere: the path of a socket is short
		if err != nil {
			return nil, err
		}
		p := &process{payload: payload}
		if err := p.start(ctx, b.native, filepath.Join(dir, "s")); err != nil {
			return nil, errors.Join(err, os.RemoveAll(dir))
		}
		stop := p.stop
		p.stop = func() error { return errors.Join(stop(), os.RemoveAll(dir)) }
		return p, nil
	}}
}

// start starts the process and connects to it.
func (p *process) start(ctx context.Context, program, socket string) error {
	cmd := exec.CommandContext(ctx, program, "grpc", socket)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return err
	}
	end := func() error { return errors.Join(in.Close(), cmd.Wait()) }
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil { // then it listens
		return errors.Join(fmt.Errorf("start the server: %w", err), end())
	}
	conn, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(echo.MaxMessage)))
	if err != nil {
		return errors.Join(err, end())
	}
	p.client = plainv1.NewPlainClient(conn)
	p.stop = func() error { return errors.Join(conn.Close(), end()) }
	return nil
}

// hashicorpSide is gRPC as hashicorp/go-plugin sets it up.
func hashicorpSide(b *built) side {
	return side{"hashicorp-go-plugin", peer, func(ctx context.Context, payload int) (contest, error) {
		client := plugin.NewClient(&plugin.ClientConfig{
			HandshakeConfig: echo.Handshake, Plugins: echo.Plugins,
			Cmd:              exec.CommandContext(ctx, b.native),
			AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
			Logger:           hclog.New(&hclog.LoggerOptions{Output: io.Discard}),
		})
		stop := func() error { client.Kill(); return nil }
		protocol, err := client.Client()
		if err != nil {
			return nil, errors.Join(err, stop())
		}
		raw, err := protocol.Dispense("echo")
		service, ok := raw.(plainv1.PlainClient)
		if err == nil && !ok {
			err = fmt.Errorf("the plugin is a %T", raw)
		}
		if err != nil {
			return nil, errors.Join(err, stop())
		}
		return &process{service, payload, stop}, nil
	}}
}
