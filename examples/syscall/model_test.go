//go:build !wasip1

package syscall

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"pgregory.net/rapid"

	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

// The kernel as it should be, without locks, ids or sharing: what each guest has
// said, and where each call is.
type model struct {
	guests []*modelGuest // those that run
	calls  []*modelCall  // also those that are over
}

type modelGuest struct {
	*guest
	exported, launched, started map[string]bool // by service; launched: at any time
	registered                  []string
	requires                    map[[2]string]bool // source and target
	located                     map[string]remote
	leaving                     bool

	queue     []*modelCall
	cancelled []*modelCall
}

type modelCall struct {
	*sent
	caller, target *modelGuest
	state          callState
	left           bool // its caller went on
	gaveUp         bool // and has no result
	failed         bool
	read           bool // its result was
}

type callState int

const (
	queued callState = iota
	serving
	over
)

func (m *model) any(is func(*modelGuest) bool) bool { return slices.ContainsFunc(m.guests, is) }

func (m *model) started(s string) bool {
	return m.any(func(g *modelGuest) bool { return g.started[s] })
}

func (m *model) exportedBy(s string) (entry string) {
	for _, g := range m.guests {
		if g.exported[s] {
			entry = g.caller.Name
		}
	}
	return entry
}

func (m *model) known(s string) bool {
	return m.any(func(g *modelGuest) bool {
		for edge := range g.requires {
			if edge[1] == s {
				return true
			}
		}
		return slices.Contains(g.registered, s)
	})
}

func (m *model) requires(source, target string) bool {
	return m.any(func(g *modelGuest) bool { return g.requires[[2]string{source, target}] })
}

func (m *model) path(source, target string) bool {
	return slices.ContainsFunc(modelServices, func(s string) bool {
		return m.requires(source, s) && (s == target || m.path(s, target))
	})
}

func (m *model) missing(s string) bool {
	return slices.ContainsFunc(modelServices, func(o string) bool { return m.requires(s, o) && !m.started(o) })
}

// withdraw has g serve s no more.
func (m *model) withdraw(g *modelGuest, s string) {
	g.exported[s], g.started[s] = false, false
}

// fail ends a call that has no result.
func (m *model) fail(c *modelCall) { c.state, c.failed = over, true }

func remove[T comparable](list []T, item T) []T {
	return slices.DeleteFunc(list, func(o T) bool { return o == item })
}

// abandon takes a call back from its target.
func (c *modelCall) abandon() {
	c.target.queue = remove(c.target.queue, c)
	if c.state == serving {
		c.target.cancelled = append(c.target.cancelled, c)
	}
	c.state = over
}

// The kernel does what the model does, whatever guests of two entries say and call
// in whatever order.
func TestKernelAgainstModel(t *testing.T) {
	t.Parallel()
	check := func(rt *rapid.T) {
		// A Launch that has something to wait for gives up at once.
		b := setup(rt, func(c *syscallpb.SyscallConfig) { c.LaunchTimeout = durationpb.New(time.Nanosecond) })
		m := &machine{model: new(model), t: rt, b: b}
		m.doStart(rt)
		rt.Repeat(map[string]func(*rapid.T){
			"":      m.check,
			"start": m.doStart, "serve": m.doServe, "use": m.doUse, "register": m.doRegister, "export": m.doExport, "require": m.doRequire,
			"launch": m.doLaunch, "locate": m.doLocate, "dispatch": m.doDispatch, "dispatch again": m.doDispatch,
			"read": m.doRead, "leave": m.doLeave, "result": m.doResult, "return": m.doReturn, "cancel": m.doCancel, "exit": m.doExit, "end": m.doEnd,
		})
		for _, g := range m.guests {
			g.end()
		}
		b.empty()
	}
	// Calls come late in a history, so the usual number would see few of them.
	for range 5 {
		rapid.Check(t, check)
	}
}
