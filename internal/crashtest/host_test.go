package crashtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/internal/core/coretest"
	"github.com/iansmith/parigot/internal/crashtest/testdata/crash"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/process"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// cell is what a host gets: one cell of the table.
type cell struct {
	Placement, Fault string
	// Guest, Program and Object are files; Cache is a folder.
	Guest, Program, Object, Cache string
}

// report is what a host that is still there says.
type report struct {
	// Start is why the plugin was not started, and StartMs how long that took.
	Start   string
	StartMs int64
	// Answer is the code of the call that had it crash, "" when it was not answered.
	Answer string
	// Before and After are the plugin's process, and BackMs how long it was down.
	Before, After string
	BackMs        int64
	// Heap is what the host's memory holds.
	Heap uint64
	// Neighbour is what is wrong with it, "" when nothing is.
	Neighbour string
	// Close is why the engine did not close.
	Close string
}

// answerWithin is how long a host waits for an answer: long enough for the process
// placement, and for the call's budget in any other.
const answerWithin = 20 * time.Second

// loopWithin is how long it waits for one that cannot come.
const loopWithin = time.Second

// runHost is the host's main function.
func runHost(text string) {
	var c cell
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		fatal(err)
	}
	ctx := context.Background()
	budget := answerWithin // a slow machine is not the fault
	if c.Fault == "endless loop" {
		budget = loopWithin
	}
	h, err := eng.New(ctx, eng.WithCacheDir(c.Cache), eng.WithCallBudget(budget))
	if err != nil {
		fatal(err)
	}
	n := &other{ended: make(chan string, 1)}
	if err := pluginsdk.Start(ctx, h, pluginsdk.InitFunc(n.init)); err != nil {
		fatal(err)
	}
	var r report
	begin := time.Now()
	plugin, err := c.plugin(ctx)
	if err == nil {
		err = pluginsdk.Start(ctx, h, plugin, pluginsdk.WithConfig(wrapperspb.String(c.Fault)))
	}
	r.StartMs = time.Since(begin).Milliseconds()
	if err != nil {
		r.Start = status.CodeOf(err).String()
		fmt.Fprintln(os.Stderr, err)
		// The guest imports the plugin's function, so it has something in its place.
		if err := pluginsdk.Start(ctx, h, crash.ParigotInitialize); err != nil {
			fatal(err)
		}
	}
	wasm, err := os.ReadFile(c.Guest)
	if err != nil {
		fatal(err)
	}
	guest, err := h.Compile(ctx, "guest", wasm)
	if err != nil {
		fatal(err)
	}
	go n.run(ctx, guest)
	n.progress(&r)
	if r.Start == "" {
		c.attack(ctx, guest, &r)
	}
	n.progress(&r)
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	r.Heap = m.HeapAlloc
	n.stop.Store(true)
	if why := <-n.ended; why != "" {
		r.Neighbour = why
	}
	r.Close = c.closeHost(h)
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		fatal(err)
	}
	os.Exit(0)
}

// within returns how long the engine has to close: not long where it cannot.
func (c cell) within() time.Duration {
	if c.Fault == "refuses to stop" || c.Fault == "endless loop" && c.Placement != "process" {
		return loopWithin
	}
	return answerWithin
}

// closeHost returns why an engine does not close. It waits a moment longer than it allows.
func (c cell) closeHost(h *eng.Host) string {
	within := c.within()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- h.Close(ctx) }()
	select {
	case err := <-done:
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return "refused"
		}
		return ""
	case <-time.After(within + answerWithin):
		return "hangs"
	}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "the host of the test failed:", err)
	os.Exit(99)
}

func (c cell) plugin(ctx context.Context) (pluginsdk.ParigotInit, error) {
	switch c.Placement {
	case "static":
		return crash.ParigotInitialize, nil
	case "so":
		return pluginsdk.LoadAndReturnInit(ctx, c.Object, "ParigotInitialize", "")
	}
	var opts []process.Option // the defaults, but for what a fault takes
	switch c.Fault {
	case "slow start":
		opts = append(opts, process.WithStartTimeout(crash.SlowStart/3))
	case "endless loop":
		opts = append(opts, process.WithCallGrace(loopWithin/10))
	case "refuses to stop":
		opts = append(opts, process.WithStopGrace(loopWithin/4))
	}
	return process.Plugin(c.Program, opts...), nil
}

// attack runs the guest that has the plugin crash.
func (c cell) attack(ctx context.Context, guest *eng.Guest, r *report) {
	wait := answerWithin
	if c.Fault == "endless loop" && c.Placement != "process" {
		wait = 2 * loopWithin
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	done := make(chan string, 1)
	go func() {
		var out bytes.Buffer
		_, err := guest.Run(ctx, eng.WithArgs(c.Fault), eng.WithStdout(&out), eng.WithStderr(os.Stderr))
		done <- fmt.Sprint(out.String(), "ended ", err)
	}()
	select {
	case out := <-done:
		for line := range strings.Lines(out) {
			_, _ = fmt.Sscanf(line, "before %s", &r.Before)
			_, _ = fmt.Sscanf(line, "answer %s", &r.Answer)
			_, _ = fmt.Sscanf(line, "back %s %d", &r.After, &r.BackMs)
		}
		fmt.Fprint(os.Stderr, out)
	case <-time.After(wait + loopWithin/2): // not even the end of its context ends it
	}
}

// other is a plugin that works, and the guest that calls it all the time.
type other struct {
	calls atomic.Int64
	stop  atomic.Bool
	ended chan string
}

func (n *other) init(ctx context.Context, e eng.Engine) bool {
	return coretest.Register(ctx, e, "other.v1.Other", n, coretest.Unary(core.Method{Name: "Echo"}, n.echo)) == nil
}

func (n *other) echo(_ context.Context, req, resp *wrapperspb.StringValue) error {
	n.calls.Add(1)
	resp.Value = req.GetValue()
	if n.stop.Load() {
		resp.Value = "end"
	}
	return nil
}

func (n *other) run(ctx context.Context, guest *eng.Guest) {
	var out bytes.Buffer
	code, err := guest.Run(ctx, eng.WithArgs("neighbour"), eng.WithStdout(&out))
	why := ""
	if code != 0 || err != nil {
		why = fmt.Sprint(out.String(), err)
	}
	n.ended <- why
}

// progress waits for calls of the neighbour.
func (n *other) progress(r *report) {
	want := n.calls.Load() + 100
	for end := time.Now().Add(30 * time.Second); n.calls.Load() < want; runtime.Gosched() {
		if time.Now().After(end) {
			r.Neighbour = "stands still"
			return
		}
	}
}
