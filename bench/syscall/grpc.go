package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/iansmith/parigot/bench/syscall/echo"
)

// peers are two native processes of which one calls the other, by gRPC over a unix
// socket.
type peers struct {
	dir            string // of the socket
	server, client *process
	cpu            time.Duration // that both have taken
}

type process struct {
	echo.Line
	cmd   *exec.Cmd
	stdin io.Closer
}

// openPeers starts both with the program peer.
func openPeers(ctx context.Context, peer string) (_ *peers, err error) {
	dir, err := os.MkdirTemp("", "bench") // not elsewhere: the path of a socket is short
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(dir, "s")
	p := &peers{dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	if p.server, err = startPeer(ctx, peer, "serve", socket); err != nil {
		return nil, err
	}
	if err := p.server.Ask(struct{}{}, new(time.Duration)); err != nil { // then it listens
		return nil, errors.Join(fmt.Errorf("start the server: %w", err), p.server.close())
	}
	if p.client, err = startPeer(ctx, peer, "call", socket); err != nil {
		return nil, errors.Join(err, p.server.close())
	}
	return p, nil
}

func startPeer(ctx context.Context, peer string, args ...string) (*process, error) {
	cmd := exec.CommandContext(ctx, peer, args...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &process{Line: echo.NewLine(in, out), cmd: cmd, stdin: in}, cmd.Start()
}

func (p *process) close() error { return errors.Join(p.stdin.Close(), p.cmd.Wait()) }

func (p *peers) run(_ context.Context, w echo.Work) (echo.Done, error) {
	var done echo.Done
	if err := p.client.Ask(w, &done); err != nil {
		return done, err
	}
	var server time.Duration
	err := p.server.Ask(struct{}{}, &server)
	before := p.cpu
	p.cpu = done.CPU + server
	done.CPU = p.cpu - before
	return done, err
}

func (p *peers) close(context.Context) error {
	return errors.Join(p.client.close(), p.server.close(), os.RemoveAll(p.dir))
}
