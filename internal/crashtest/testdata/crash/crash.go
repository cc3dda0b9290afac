//go:build !wasip1

// Package crash is a plugin that does what can go wrong.
package crash

import (
	"context"
	"os"
	"strconv"
	"time"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/internal/core/coretest"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// ServiceName is what guests import.
const ServiceName = "crash.v1.Crash"

// SlowStart is how long a slow start takes.
const SlowStart = 1500 * time.Millisecond

// ParigotInitialize is the plugin.
var ParigotInitialize pluginsdk.ParigotInit = pluginsdk.InitFunc(start)

func start(ctx context.Context, e eng.Engine) bool {
	switch how := new(wrapperspb.StringValue); pluginsdk.ReadConfig(ctx, how) {
	case nil:
		if how.GetValue() == "slow start" {
			time.Sleep(SlowStart)
		}
		if how.GetValue() == "refuses to stop" {
			e.OnClose(func(context.Context) error { select {} })
		}
	default:
		return false
	}
	c := new(crasher)
	return coretest.Register(ctx, e, ServiceName, c, coretest.Unary(core.Method{Name: "Do"}, c.do)) == nil
}

type crasher struct {
	kept []byte
	n    int
}

// do answers with the process that it runs in.
func (c *crasher) do(_ context.Context, req, resp *wrapperspb.StringValue) error {
	resp.Value = strconv.Itoa(os.Getpid())
	switch req.GetValue() {
	case "impl panics":
		panic("for the test")
	case "os.Exit":
		os.Exit(7)
	case "nil dereference in a goroutine":
		go func() { var none *crasher; none.n++ }()
		select {}
	case "SIGSEGV in C":
		return segv()
	case "endless loop":
		for {
			c.n++
		}
	case "1 GiB allocation":
		c.kept = make([]byte, 1<<30)
		for i := 0; i < len(c.kept); i += 64 << 10 { // all pages would take seconds
			c.kept[i] = 1
		}
	case "", "slow start", "refuses to stop":
	default:
		return status.Errorf(status.InvalidArgument, "what is %q?", req.GetValue())
	}
	return nil
}
