package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/internal/frame"
	"github.com/iansmith/parigot/internal/instance"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/id"
	"github.com/iansmith/parigot/pluginsdk/parigotpb/processpb"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// The environment variable that tells a program that it is a plugin, and what it says.
const (
	modeVariable = "PARIGOT_PLUGIN"
	modeServe    = "serve"    // descriptors 3 and 4 are sockets
	modeDescribe = "describe" // descriptor 3 is a pipe
)

// The descriptors that a plugin inherits.
const (
	controlDescriptor    = 3 // frames; for modeDescribe a pipe to write to
	connectionDescriptor = 4 // bytes that carry a descriptor each
)

// peerName is who this side says it is.
const peerName = "parigot 0.1.0"

// Main is the main function of a plugin's program: it serves the host that started the
// program until that stops it, and ends the program. Without a host it says so and exits
// with 2.
func Main(plugin pluginsdk.ParigotInit) {
	os.Exit(run(plugin, os.Stderr)) //nolint:forbidigo // it is what a main function calls
}

// IsPlugin reports whether the program was started by a host, so that a program that is
// something else, too, knows when to call [Main].
func IsPlugin() bool { return os.Getenv(modeVariable) != "" }

func run(plugin pluginsdk.ParigotInit, stderr io.Writer) (exitCode int) {
	mode := os.Getenv(modeVariable)
	// What the plugin starts is no plugin.
	_ = os.Unsetenv(modeVariable)
	var err error
	switch mode {
	case modeServe:
		err = serve(plugin)
	case modeDescribe:
		err = writeDescription(plugin)
	default:
		_, _ = fmt.Fprintf(stderr, "%s is a Parigot plugin: a host runs it, with process.Plugin or as a plugin of a deployment file.\n", os.Args[0])
		return 2
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "%s: %v\n", os.Args[0], err)
		return 1
	}
	return 0
}

// server is the plugin's side.
type server struct {
	control  *net.UnixConn
	engine   *engine
	greeting frame.Greeting // the host's
	grace    time.Duration  // to stop in
	// maxDecoded bounds what a request takes when it is decoded, in bytes.
	maxDecoded uint64

	functions  []function
	dispatcher pluginsdk.Dispatcher // nil: none

	writing sync.Mutex // frames on control

	mu          sync.Mutex
	guests      map[id.HostId]*knownGuest
	accepted    uint32                 // connections so far, which numbers them
	connections map[uint32]*connection // those that are open
	early       map[uint32]uint64      // cancellations for connections that are not accepted yet
}

// maxEarly bounds early. The host hands over a connection before it cancels a call on it.
const maxEarly = 4096

// knownGuest is a guest that the host has told of.
type knownGuest struct {
	caller  eng.Caller
	grants  *eng.Grants
	account *instance.Account // of all its calls
}

// serve serves the host on the inherited descriptors until it says stop.
func serve(plugin pluginsdk.ParigotInit) error {
	control, err := inherited(controlDescriptor, "control")
	if err != nil {
		return err
	}
	connections, err := inherited(connectionDescriptor, "connections")
	if err != nil {
		return err
	}
	s := &server{
		control:     control,
		guests:      map[id.HostId]*knownGuest{},
		connections: map[uint32]*connection{},
		early:       map[uint32]uint64{},
	}
	frames := frame.NewReader(control, frame.MaxControl)
	if err := s.greet(frames); err != nil {
		return err
	}
	if err := s.start(frames, plugin); err != nil {
		return err
	}
	go s.accept(connections)
	return s.obey(frames)
}

// greet exchanges hellos.
func (s *server) greet(frames *frame.Reader) error {
	kind, payload, err := frames.Next()
	if err != nil {
		return fmt.Errorf("read the host's hello: %w", err)
	}
	if kind != frame.Hello {
		return fmt.Errorf("the host sent a frame of kind %d, want its hello", kind)
	}
	if s.greeting, err = frame.ReadGreeting(payload); err != nil {
		return fmt.Errorf("read the host's hello: %w", err)
	}
	mine := frame.Greeting{
		Version: frame.Version, MaxRequest: s.greeting.MaxRequest, MaxResponse: s.greeting.MaxResponse, Name: peerName,
	}
	if err := s.send(frame.Hello, mine.Append(nil)); err != nil {
		return err
	}
	return checkVersion("host", s.greeting)
}

// checkVersion says what to do when the other side speaks another version.
func checkVersion(whose string, g frame.Greeting) error {
	if g.Version == frame.Version {
		return nil
	}
	return status.Errorf(status.FailedPrecondition,
		"the %s (%s) speaks version %d of the process protocol, this side (%s) version %d: build the two with versions of Parigot that speak the same",
		whose, g.Name, g.Version, peerName, frame.Version)
}

// start initialises the plugin as the host wants it, and tells what came of it.
func (s *server) start(frames *frame.Reader, plugin pluginsdk.ParigotInit) error {
	kind, payload, err := frames.Next()
	if err != nil {
		return fmt.Errorf("read how to start: %w", err)
	}
	order := new(processpb.ProcessStart)
	if kind != frame.Start || proto.Unmarshal(payload, order) != nil {
		return fmt.Errorf("the host sent a frame of kind %d that is no order to start", kind)
	}
	s.grace = time.Duration(order.GetStopGraceNs())
	s.maxDecoded = cmp.Or(order.GetMaxDecoded(), eng.DefaultMaxDecoded)
	s.engine = newEngine(slog.New(&logSender{send: s.log, level: slog.Level(order.GetLogLevel())}))
	if err := s.initialise(plugin, order); err != nil {
		if cause := errors.Unwrap(err); cause != nil {
			err = cause // the host says itself that it started a plugin
		}
		_ = s.engine.close(context.Background())
		return errors.Join(err, s.send(frame.Failed, encodeStatus(err)))
	}
	s.functions = s.engine.seal()
	ready, err := encodeReady(s.functions, s.dispatcher != nil)
	if err != nil {
		return errors.Join(err, s.send(frame.Failed, encodeStatus(err)))
	}
	return s.send(frame.Ready, ready)
}

// initialise checks the plugin's configuration, and initialises the plugin unless that was all.
func (s *server) initialise(plugin pluginsdk.ParigotInit, order *processpb.ProcessStart) error {
	if plugin == nil {
		return status.Error(status.InvalidArgument, "the plugin is nil")
	}
	config, err := rawMessage(order.GetConfigType(), order.GetConfig())
	if err != nil {
		return err
	}
	ctx := context.Background()
	if err := pluginsdk.CheckConfig(ctx, plugin, config); err != nil {
		return fmt.Errorf("check the configuration: %w", err)
	}
	if order.GetCheckConfig() {
		return nil
	}
	init := func(ctx context.Context, e eng.Engine) bool {
		ok := plugin.Init(ctx, e)
		s.dispatcher = core.Offered(ctx)
		return ok
	}
	return pluginsdk.Start(ctx, s.engine, pluginsdk.InitFunc(init), pluginsdk.WithConfig(config))
}

// obey does what the host says until it says stop, or is gone.
func (s *server) obey(frames *frame.Reader) error {
	for {
		kind, payload, err := frames.Next()
		switch {
		case err != nil:
			ctx, cancel := context.WithTimeout(context.Background(), s.grace)
			defer cancel()
			return errors.Join(fmt.Errorf("the host is gone: %w", err), s.engine.close(ctx))
		case kind == frame.Cancel:
			c, err := frame.ReadCancel(payload)
			if err != nil {
				return fmt.Errorf("the host sent nonsense: %w", err)
			}
			s.cancel(c)
		case kind == frame.Stop:
			ctx, cancel := context.WithTimeout(context.Background(), s.grace)
			defer cancel()
			return s.send(frame.Stopped, encodeStatus(s.engine.close(ctx)))
		default:
			return fmt.Errorf("the host sent a frame of kind %d on the control connection", kind)
		}
	}
}

// cancel ends the context of a call.
func (s *server) cancel(c frame.Cancellation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.connections[c.Connection]; n != nil {
		n.cancel(c.Seq)
	} else if c.Connection >= s.accepted && len(s.early) < maxEarly {
		s.early[c.Connection] = c.Seq
	}
}

// send sends a frame on the control connection.
func (s *server) send(kind frame.Kind, payload []byte) error {
	if len(payload) > frame.MaxControl {
		return status.Errorf(status.ResourceExhausted, "what there is to tell the host has %d bytes, and may have %d", len(payload), frame.MaxControl)
	}
	b := frame.Append(make([]byte, 0, frame.HeaderSize+len(payload)), kind, payload)
	s.writing.Lock()
	defer s.writing.Unlock()
	if _, err := s.control.Write(b); err != nil {
		return fmt.Errorf("write to the host: %w", err)
	}
	return nil
}

// log sends a log record.
func (s *server) log(l *processpb.ProcessLog) {
	payload, err := proto.Marshal(l)
	if err == nil && len(payload) <= frame.MaxControl {
		err = s.send(frame.Log, payload)
	}
	if err != nil {
		// Standard error reaches the host as well.
		_, _ = fmt.Fprintf(os.Stderr, "%s (a log record that was not sent: %v)\n", l.GetMessage(), err)
	}
}

// accept serves the connections that the host hands over.
func (s *server) accept(from *net.UnixConn) {
	for {
		c, err := receiveConnection(from)
		if err != nil {
			return // the host is gone, or stops
		}
		go s.adopt(c).serve()
	}
}

// adopt gives a connection its number.
func (s *server) adopt(c *net.UnixConn) *connection {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := newConnection(s, s.accepted, c)
	n.cancel(s.early[n.number])
	delete(s.early, n.number)
	s.connections[n.number] = n
	s.accepted++
	return n
}

// forget closes a connection.
func (s *server) forget(n *connection) {
	_ = n.conn.Close() // nothing is lost: whoever reads it has had what was written
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.connections, n.number)
}
