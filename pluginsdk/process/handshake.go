package process

import (
	"errors"
	"fmt"
	"net"
	"os"

	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/frame"
	"github.com/iansmith/parigot/pluginsdk/parigotpb/processpb"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// handshake greets the plugin and has it initialise itself.
func (p *proc) handshake(frames *frame.Reader, start *processpb.ProcessStart) error {
	mine := frame.Greeting{Version: frame.Version, MaxRequest: p.maxRequest, MaxResponse: p.maxResponse, Name: peerName}
	if err := p.write(frame.Append(nil, frame.Hello, mine.Append(nil))); err != nil {
		return err
	}
	kind, payload, err := frames.Next()
	if err != nil {
		return p.disconnected("before it said hello", err)
	}
	if kind != frame.Hello {
		return fmt.Errorf("it sent a frame of kind %d, want its hello", kind)
	}
	theirs, err := frame.ReadGreeting(payload)
	if err != nil {
		return status.Wrap(status.FailedPrecondition, err, "the program speaks, but not as a plugin")
	}
	if err := checkVersion("plugin", theirs); err != nil {
		return err
	}
	p.greeted = true
	p.agree(theirs)
	order, err := proto.Marshal(start)
	if err != nil {
		return fmt.Errorf("encode the configuration: %w", err)
	}
	if len(order) > frame.MaxControl {
		return status.Errorf(status.ResourceExhausted, "the configuration has %d bytes, a process takes %d", len(order), frame.MaxControl)
	}
	if err := p.write(frame.Append(nil, frame.Start, order)); err != nil {
		return err
	}
	return p.awaitReady(frames)
}

// agree takes the smaller limits of both sides.
func (p *proc) agree(theirs frame.Greeting) {
	agreed := *p.settings
	agreed.maxRequest = min(agreed.maxRequest, theirs.MaxRequest)
	agreed.maxResponse = min(agreed.maxResponse, theirs.MaxResponse)
	p.settings = &agreed
}

// awaitReady waits until the plugin is initialised.
func (p *proc) awaitReady(frames *frame.Reader) error {
	for {
		kind, payload, err := frames.Next()
		if err != nil {
			return p.disconnected("before it was ready", err)
		}
		switch kind { //nolint:exhaustive // the default is for all others
		case frame.Log:
			if err := relog(p.log, payload); err != nil {
				return err
			}
		case frame.Failed:
			if err := decodeStatus(payload); err != nil {
				return err
			}
			return status.Error(status.Internal, "Init failed, and gave no reason")
		case frame.Ready:
			p.ready = new(processpb.ProcessReady)
			if err := decodeFrame(payload, p.ready, "what it registered"); err != nil {
				return err
			}
			return checkFiles(p.ready.GetFiles())
		default:
			return fmt.Errorf("it sent a frame of kind %d before it was ready", kind)
		}
	}
}

// errDisconnected is why a process is down whose connection ended.
var errDisconnected = errors.New("the process closed its connection")

func isDisconnect(err error) bool {
	return errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrClosed) || isEndOfStream(err)
}

func (p *proc) disconnected(when string, err error) error {
	if isDisconnect(err) {
		return fmt.Errorf("%w %s", errDisconnected, when)
	}
	return fmt.Errorf("read from it %s: %w", when, err)
}
