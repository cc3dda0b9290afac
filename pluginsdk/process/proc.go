package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/iansmith/parigot/internal/frame"
	"github.com/iansmith/parigot/internal/guard"
	"github.com/iansmith/parigot/pluginsdk/id"
	"github.com/iansmith/parigot/pluginsdk/parigotpb/processpb"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// proc is one process of a plugin, from its start to its end. Nothing restarts it: the
// [supervisor] makes another.
type proc struct {
	*settings
	log     *slog.Logger
	child   *guard.Process
	out     *output
	control *net.UnixConn
	handing *net.UnixConn // over connections
	ready   *processpb.ProcessReady
	greeted bool // it has said hello; for start only

	orders  chan []byte   // frames to write to control
	stopped chan error    // what the plugin said when it stopped; one, at most
	gone    chan struct{} // closed when the process has ended and everything is freed
	heard   chan struct{} // closed when nobody reads from control any more
	started time.Time
	end     error // how the process ended; set before gone is closed

	handingOver sync.Mutex // guards the order of new connections
	made        uint32     // connections so far; guarded by handingOver

	mu       sync.Mutex
	down     error // why it is of no use any more
	stopping bool
	all      map[*link]struct{} // connections
	idle     []*link
	guests   map[id.HostId]*announcement
}

// maxOrders bounds the frames that wait for a plugin to read them. It reads at once, or
// is broken.
const maxOrders = 4096

// errEnded is why a process is down that nobody ended.
var errEnded = errors.New("the process ended")

// launch starts a process and waits until its plugin is ready. What it returns has to be
// stopped or killed, unless it ends by itself.
func launch(ctx context.Context, s *settings, log *slog.Logger, start *processpb.ProcessStart) (*proc, error) {
	ctx, cancel := context.WithTimeout(ctx, s.startTimeout)
	defer cancel()
	p := &proc{
		settings: s, log: log, started: time.Now(),
		orders:  make(chan []byte, maxOrders),
		stopped: make(chan error, 1),
		gone:    make(chan struct{}),
		heard:   make(chan struct{}),
		all:     map[*link]struct{}{},
		guests:  map[id.HostId]*announcement{},
	}
	if err := p.exec(); err != nil {
		return nil, err
	}
	// A plugin that is not ready in time, or not wanted any more, is killed, which
	// ends what the handshake waits for.
	unhook := context.AfterFunc(ctx, func() {
		p.kill(fmt.Errorf("it was not ready after %v: %w", time.Since(p.started).Round(time.Millisecond), ctx.Err()))
	})
	frames := frame.NewReader(p.control, frame.MaxControl)
	err := p.handshake(frames, start)
	if !unhook() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		p.kill(err)
		close(p.heard)
		<-p.gone
		return nil, p.explain(err)
	}
	go p.writeOrders()
	go p.listen(frames)
	return p, nil
}

// explain returns why a process that has ended did not start, with what it wrote before.
func (p *proc) explain(err error) error {
	if _, ok := status.From(err); ok && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err // its own words
	}
	reason := p.reason()
	var stranger error
	if !p.greeted && (errors.Is(reason, errEnded) || errors.Is(reason, errDisconnected)) {
		stranger = p.end
	}
	reason = p.out.words.explain(reason, stranger)
	code := status.FailedPrecondition
	switch {
	case errors.Is(reason, context.DeadlineExceeded):
		code = status.DeadlineExceeded
	case errors.Is(reason, context.Canceled):
		code = status.Cancelled
	}
	return status.Wrap(code, reason, "the plugin did not start")
}

// exec starts the program.
func (p *proc) exec() error {
	control, theirControl, err := socketPair("control")
	if err != nil {
		return err
	}
	handing, theirHanding, err := socketPair("connections")
	if err != nil {
		return errors.Join(err, control.Close(), theirControl.Close())
	}
	p.control, p.handing = control, handing
	err = p.startChild(theirControl, theirHanding)
	err = errors.Join(err, theirControl.Close(), theirHanding.Close())
	if err != nil {
		return errors.Join(err, control.Close(), handing.Close())
	}
	go p.run()
	return nil
}

func (p *proc) startChild(files ...*os.File) error {
	cmd, err := p.command(modeServe, files...)
	if err != nil {
		return err
	}
	if p.out, err = newOutput(cmd, p.log); err != nil {
		return status.Wrap(status.ResourceExhausted, err, "start the plugin")
	}
	if p.child, err = guard.Start(cmd); err != nil {
		p.out.finish()
		return startError(cmd.Path, err)
	}
	p.out.started()
	return nil
}

// run waits for the end of the process.
func (p *proc) run() {
	defer close(p.gone)
	p.end = p.child.Wait()
	p.hearOut()
	p.kill(fmt.Errorf("%w: %w", errEnded, p.end))
	p.out.finish()
}

// hearOut waits until all is read that an ended process has said: why it did not start, or
// how its stop went. kill closes the connection. Something that the process has left behind
// may hold the other end, so there is a limit.
func (p *proc) hearOut() {
	_ = p.control.SetReadDeadline(time.Now().Add(lastWords)) // an error comes with the read, too
	<-p.heard
}

// kill ends the process, if nobody has before. reason is why.
func (p *proc) kill(reason error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.down == nil:
		p.down = reason
	case errors.Is(reason, errEnded) && errors.Is(p.down, errDisconnected):
		p.down = fmt.Errorf("%w (%w)", reason, p.down) // how it ended tells more
	}
	if p.all == nil {
		return
	}
	p.child.Kill()
	_ = p.control.Close()
	_ = p.handing.Close()
	for l := range p.all {
		if l.conn != nil {
			_ = l.conn.Close()
		}
	}
	p.all, p.idle = nil, nil
}

// reason returns why the process is down.
func (p *proc) reason() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.down
}

// write writes frames on the control connection. It is for one goroutine.
func (p *proc) write(b []byte) error {
	_ = p.control.SetWriteDeadline(time.Now().Add(p.startTimeout)) // an error comes with the write, too
	if _, err := p.control.Write(b); err != nil {
		return p.disconnected("while it was told something", err)
	}
	return nil
}

// order has a frame written on the control connection. It does not wait.
func (p *proc) order(kind frame.Kind, payload []byte) {
	select {
	case p.orders <- frame.Append(nil, kind, payload):
	default:
		p.kill(errors.New("it does not read what it is told"))
	}
}

// writeOrders writes what order got.
func (p *proc) writeOrders() {
	for {
		select {
		case b := <-p.orders:
			if err := p.write(b); err != nil {
				p.kill(err)
				return
			}
		case <-p.gone:
			return
		}
	}
}

// listen reads what the plugin says by itself.
func (p *proc) listen(frames *frame.Reader) {
	defer close(p.heard)
	for {
		kind, payload, err := frames.Next()
		switch {
		case err != nil:
			err = p.disconnected("while it ran", err)
		case kind == frame.Log:
			err = relog(p.log, payload)
		case kind == frame.Stopped && p.isStopping():
			p.stopped <- decodeStatus(payload)
			return // what comes is its end
		default:
			err = fmt.Errorf("it sent a frame of kind %d on its own", kind)
		}
		if err != nil {
			p.kill(err)
			return
		}
	}
}

func (p *proc) isStopping() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stopping
}

// stop has the plugin close and its process end, within the grace and before ctx ends;
// else it is killed. It returns what went wrong.
func (p *proc) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.stopGrace)
	defer cancel()
	p.mu.Lock()
	p.stopping = true
	p.mu.Unlock()
	p.order(frame.Stop, nil)
	unhook := context.AfterFunc(ctx, func() {
		p.kill(fmt.Errorf("it did not stop within %v", p.stopGrace))
	})
	<-p.gone
	killed := !unhook()
	select {
	case err := <-p.stopped:
		return err
	default:
	}
	if killed {
		return status.Errorf(status.DeadlineExceeded, "the plugin did not stop within %v, and was killed", p.stopGrace)
	}
	return status.Wrap(status.Unavailable, p.reason(), "the plugin ended before it had stopped")
}
