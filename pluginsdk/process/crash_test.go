package process

import (
	"context"
	"encoding/binary"
	"flag"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/internal/frame"
	"github.com/iansmith/parigot/internal/instance"
	"github.com/iansmith/parigot/pluginsdk/status"
)

var kills = flag.Int("kills", 25, "how often TestKill kills the plugin")

// TestCrash: whatever ends the process, calls are answered, others too, and the plugin
// is back.
func TestCrash(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		crash func(g *guest) error
		want  status.Code
	}{
		"os.Exit":             {doing("exit"), status.Unavailable},
		"nil in a goroutine":  {doing("nil"), status.Unavailable},
		"SIGSEGV":             {signalled(syscall.SIGSEGV), status.Unavailable},
		"kill -9":             {signalled(syscall.SIGKILL), status.Unavailable},
		"stands still":        {signalled(syscall.SIGSTOP), status.DeadlineExceeded},
		"endless loop":        {doing("spin"), status.DeadlineExceeded},
		"ignores its context": {doing("hang"), status.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := start(t, "", WithCallGrace(100*time.Millisecond))
			other := h.guest("other")
			other.state.Limits.Budget = -1
			ended := make(chan error)
			go func() {
				_, err := other.call(context.Background(), "Block", "wait", 100)
				ended <- err
			}()
			h.busyLinks(1)
			g := h.guest("app")
			g.state.Limits.Budget = 200 * time.Millisecond
			before := g.must("pid")
			require.ErrorIs(t, tt.crash(g), status.Of(tt.want))
			require.ErrorIs(t, <-ended, status.Of(status.Unavailable))
			down := time.Now()
			require.NotEqual(t, before, g.again("pid"))
			require.Less(t, time.Since(down), 5*time.Second, "much less, on an idle machine")
			require.Equal(t, "2", other.must("calls"), "its state is gone")
			require.Contains(t, h.guest("app").must("who"), "app ")
		})
	}
}

func doing(what string) func(*guest) error {
	return func(g *guest) error {
		_, err := g.do(what)
		return err
	}
}

// signalled sends a signal during a call.
func signalled(sig syscall.Signal) func(*guest) error {
	return func(g *guest) error {
		pid, _ := strconv.Atoi(g.must("pid"))
		go func() {
			g.busyLinks(2)
			_ = syscall.Kill(pid, sig)
		}()
		if sig == syscall.SIGSTOP {
			_, err := g.do("wait") // it would return in time
			return err
		}
		g.state.Limits.Budget = -1
		defer func() { g.state.Limits.Budget = 200 * time.Millisecond }()
		_, err := g.do("wait")
		return err
	}
}

// TestEat: the memory that a plugin takes is not the host's, and is free when it ends.
func TestEat(t *testing.T) {
	t.Parallel()
	h := start(t, "")
	g := h.guest("app")
	g.state.Limits.Budget = -1
	require.Equal(t, "ate", g.must("eat"))
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	require.Less(t, m.HeapInuse, uint64(1<<30))
}

// TestBrokenPeer: a plugin that breaks the rules of the frames is ended. No call hangs.
func TestBrokenPeer(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{
		"garbage", "closes", "halfhead", "halfbody", "hugelength", "wrongseq", "more", "control-garbage", "control-closes", "badcode", "badlog",
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			require.NoError(t, h.start("", WithEnv("TEST_MISBEHAVE="+kind), WithCallGrace(100*time.Millisecond)))
			t.Cleanup(func() { _ = h.engine.close(context.Background()) })
			g := h.guest("app")
			g.state.Limits.Budget = -1 // so that nothing but the rules ends the call
			code := g.raw("Do", "x")
			if kind == "badcode" {
				require.Equal(t, -int32(status.Internal), code)
				return
			}
			require.Equal(t, -int32(status.Unavailable), code)
			h.eventually("the plugin's process failed")
			h.eventually("the plugin runs again")
		})
	}
}

// runBroken is a plugin that does not keep to the rules. It has one function.
func runBroken(how string) {
	runDying(how)
	switch how {
	case "quits":
		os.Exit(3)
	case "silent":
		select {}
	}
	if how == "emptydescription" {
		_, _ = os.NewFile(controlDescriptor, "description").Write(frame.Append(nil, frame.Description, nil))
		select {}
	}
	control, err := inherited(controlDescriptor, "control")
	if err != nil {
		os.Exit(4)
	}
	connections, _ := inherited(connectionDescriptor, "connections")
	frames := frame.NewReader(control, frame.MaxControl)
	_, payload, _ := frames.Next()
	hello, _ := frame.ReadGreeting(payload)
	write := func(c *net.UnixConn, b []byte) { _, _ = c.Write(b) }
	switch how {
	case "version":
		hello.Version, hello.Name = 2, "from tomorrow"
	case "magic":
		write(control, frame.Append(nil, frame.Hello, make([]byte, 64)))
		select {}
	case "huge":
		write(control, []byte{0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0})
		select {}
	case "half":
		write(control, frame.Append(nil, frame.Hello, hello.Append(nil))[:11])
		os.Exit(0)
	}
	write(control, frame.Append(nil, frame.Hello, hello.Append(nil)))
	_, _, _ = frames.Next()
	if how == "emptyready" {
		write(control, frame.Append(nil, frame.Ready, nil))
		select {}
	}
	s := &state{}
	ready, _ := encodeReady([]function{{"test.v1.Test", functionOf(service(s))}}, false)
	write(control, frame.Append(nil, frame.Ready, ready))
	for {
		c, err := receiveConnection(connections)
		if err != nil {
			os.Exit(0)
		}
		breakRules(how, c, control)
	}
}

// breakRules answers the announcement of a guest, and then a call, in a way.
func breakRules(how string, c, control *net.UnixConn) {
	frames := frame.NewReader(c, 1<<20)
	for {
		kind, payload, err := frames.Next()
		if err != nil {
			return
		}
		seq := binary.LittleEndian.Uint64(payload)
		answer := make([]byte, frame.ResultSize)
		head := frame.ResultHead{Seq: seq}
		if kind != frame.Call {
			head.Put(answer)
			_, _ = c.Write(frame.Append(nil, frame.Result, answer))
			continue
		}
		head.Put(answer)
		good := frame.Append(nil, frame.Result, append(answer, "\x0a\x01x"...))
		switch how {
		case "garbage":
			good = []byte("HTTP/1.1 400 Bad Request\r\n\r\nwhat is this?")
		case "closes":
			_ = c.Close()
			select {}
		case "halfhead":
			good = good[:7]
		case "halfbody":
			good = good[:len(good)-1]
		case "hugelength":
			binary.LittleEndian.PutUint32(good, 1<<31)
		case "wrongseq":
			good[frame.HeaderSize]++
		case "more":
			good = append(good, good...)
		case "badcode":
			head.Code = pending
			head.Put(good[frame.HeaderSize:])
		case "control-garbage":
			_, _ = control.Write([]byte("0123456789abcdef"))
			select {}
		case "control-closes":
			_ = control.Close()
			select {}
		case "badlog":
			_, _ = control.Write(frame.Append(nil, frame.Log, []byte{0xff}))
			select {}
		}
		_, _ = c.Write(good)
	}
}

// TestOtherFunctions: a plugin that comes back as another one is refused.
func TestOtherFunctions(t *testing.T) {
	t.Parallel()
	h := start(t, "other "+filepath.Join(t.TempDir(), "flag"))
	_, err := h.guest("app").do("exit")
	require.ErrorIs(t, err, status.Of(status.Unavailable))
	h.eventually("registers other functions than when the host started")
	_, err = h.guest("app").do("echo x")
	require.ErrorIs(t, err, status.Of(status.Unavailable))
	require.ErrorContains(t, err, "the plugin test is down")
}

// TestKill kills the process again and again while guests call. Nothing hangs, and
// nothing is left over.
func TestKill(t *testing.T) {
	first := start(t, "") // whatever the first one leaves for ever is there now
	first.guest("app").must("echo x")
	require.NoError(t, first.engine.close(context.Background()))
	before := resources(t)

	h := newHost(t)
	require.NoError(t, h.start("", WithBackoff(time.Millisecond, 10*time.Millisecond, time.Millisecond)))
	var calls, refused atomic.Int64
	stop := make(chan struct{})
	var guests sync.WaitGroup
	for i := range 8 {
		guests.Go(func() { load(h.guest("app"+strconv.Itoa(i)), stop, &calls, &refused) })
	}
	pid := 0
	for range *kills {
		for { // the process after the one that was killed last
			p := h.v.current.Load()
			if p != nil && p.child.Pid != pid {
				pid = p.child.Pid
				break
			}
			runtime.Gosched()
		}
		served := calls.Load()
		for calls.Load() < served+rand.Int64N(50) {
			runtime.Gosched()
		}
		require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	}
	h.guest("last").again("echo x")
	close(stop)
	guests.Wait()
	t.Logf("%d kills, %d calls, %d of them answered with UNAVAILABLE", *kills, calls.Load()+refused.Load(), refused.Load())
	require.NoError(t, h.engine.close(context.Background()))
	now := resources(t)
	for end := time.Now().Add(20 * time.Second); !before.atLeast(now) && time.Now().Before(end); now = resources(t) {
		time.Sleep(10 * time.Millisecond) // goroutines that have nothing more to do end soon
	}
	t.Logf("left over: %+v, before %+v", now, before)
	require.True(t, before.atLeast(now), "left over: %+v, before %+v", now, before)
}

// load calls until stop is closed.
func load(g *guest, stop chan struct{}, calls, refused *atomic.Int64) {
	g.state.Limits.Budget = time.Minute
	g.state.Calls = instance.NewCalls(10, instance.NewAccount(64<<20), &g.busy)
	for {
		select {
		case <-stop:
			g.state.Calls.Close()
			g.busy.Wait()
			return
		default:
		}
		got, err := g.do("echo " + g.state.Name)
		if err != nil {
			if status.CodeOf(err) != status.Unavailable {
				g.t.Error(err)
				return
			}
			refused.Add(1)
			time.Sleep(100 * time.Microsecond) // not to burn the processor that the restart needs
			continue
		}
		if got != g.state.Name {
			g.t.Errorf("got %q, want %q", got, g.state.Name)
			return
		}
		calls.Add(1)
		if g.raw("Block", "echo x") == pending {
			_, _ = g.await()
		}
	}
}

// left is what a process has.
type left struct {
	goroutines, descriptors, children int
	heap                              uint64
}

func (l left) atLeast(now left) bool {
	return now.goroutines <= l.goroutines && now.descriptors <= l.descriptors && now.children <= l.children && now.heap <= l.heap+2<<20
}

func resources(t *testing.T) left {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	l := left{goroutines: runtime.NumGoroutine(), heap: m.HeapAlloc}
	if runtime.GOOS != "linux" {
		return l
	}
	fds, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	children, err := filepath.Glob("/proc/self/task/*/children")
	require.NoError(t, err)
	l.descriptors = len(fds)
	for _, file := range children {
		list, _ := os.ReadFile(file) // a thread may have ended
		l.children += len(list)
	}
	return l
}
