//go:build !wasip1

package syscall

import (
	"slices"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/iansmith/parigot/pluginsdk/parigotpb"
	"github.com/iansmith/parigot/pluginsdk/status"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

var modelServices = []string{"p.A", "p.B", "p.C"}

// machine runs the kernel and the model side by side.
type machine struct {
	*model
	t *rapid.T
	b *bundle
}

func (m *machine) pick() *modelGuest { return rapid.SampledFrom(m.guests).Draw(m.t, "guest") }

func (m *machine) service() string { return rapid.SampledFrom(modelServices).Draw(m.t, "service") }

// call picks a call, if there is one.
func (m *machine) call() *modelCall {
	if len(m.calls) == 0 {
		return &modelCall{sent: &sent{number: 1 << 50}, state: over, left: true, gaveUp: true}
	}
	return rapid.SampledFrom(m.calls).Draw(m.t, "call")
}

// same wants the error want, whatever NoError.
func (m *machine) same(want syscallpb.KernelErr, err error) bool {
	if want == ok {
		require.NoError(m.t, err)
		return true
	}
	require.ErrorIs(m.t, err, status.Of(want))
	return false
}

func (m *machine) doStart(*rapid.T) {
	if len(m.guests) >= 5 {
		return
	}
	g := &modelGuest{
		guest:    m.b.guest(rapid.SampledFrom([]string{"alice", "bob"}).Draw(m.t, "entry")),
		exported: map[string]bool{}, launched: map[string]bool{}, started: map[string]bool{},
		requires: map[[2]string]bool{}, located: map[string]remote{},
	}
	m.guests = append(m.guests, g)
	m.register(g, m.service())
}

func (m *machine) register(g *modelGuest, s string) {
	g.mustRegister(s)
	if !slices.Contains(g.registered, s) {
		g.registered = append(g.registered, s)
	}
}

func (m *machine) doRegister(*rapid.T) { m.register(m.pick(), m.service()) }

// doServe and doUse do in their order what otherwise seldom comes together.
func (m *machine) doServe(*rapid.T) { m.serve(m.pick(), m.service()) }

func (m *machine) serve(g *modelGuest, s string) {
	m.register(g, s)
	m.export(g, s)
	m.launch(g, s)
}

func (m *machine) doUse(*rapid.T) {
	g, source, target := m.pick(), m.service(), m.service()
	m.serve(m.pick(), target)
	m.register(g, source)
	m.require(g, source, target)
	m.serve(g, source)
	m.locate(g, target)
	m.dispatch(g, target)
	m.dispatch(g, target)
	m.read(m.pick())
}

// sid is the id of a service, of which the guest may know nothing.
func (m *machine) sid(s string) *parigotpb.Id {
	if found := m.b.kernel.data.ServiceByName(m.t.Context(), "p", s[len("p."):]); found != nil {
		return found.Id().Proto()
	}
	return nil
}

func (m *machine) doExport(*rapid.T) { m.export(m.pick(), m.service()) }

func (m *machine) export(g *modelGuest, s string) {
	want := ok
	taken := m.exportedBy(s) != "" && m.exportedBy(s) != g.caller.Name
	switch {
	case !slices.Contains(g.registered, s):
		want = badID
	case g.leaving, taken:
		want = syscallpb.KernelErr_ServiceAlreadyClosedOrExported
	}
	if want == ok {
		_, err := g.bind(m.sid(s), "Do")
		require.NoError(m.t, err)
	}
	if m.same(want, g.export(m.sid(s))) {
		g.exported[s] = true
	}
}

func (m *machine) doRequire(*rapid.T) { m.require(m.pick(), m.service(), m.service()) }

func (m *machine) require(g *modelGuest, source, target string) {
	edge, want := [2]string{source, target}, ok
	switch {
	case !slices.Contains(g.registered, source):
		want = badID
	case g.requires[edge]:
		want = syscallpb.KernelErr_ServiceAlreadyRequired
	case !m.requires(source, target) && (source == target || m.path(target, source)):
		want = cycle
	}
	if m.same(want, g.require(m.sid(source), target)) {
		g.requires[edge] = true
	}
}

func (m *machine) doLaunch(*rapid.T) { m.launch(m.pick(), m.service()) }

func (m *machine) launch(g *modelGuest, s string) {
	want := ok
	switch {
	case !slices.Contains(g.registered, s):
		want = badID
	case !g.exported[s]:
		want = syscallpb.KernelErr_NotReady
	case m.missing(s):
		want = runTimeout
	}
	if m.same(want, g.launch(m.sid(s))) {
		g.launched[s], g.started[s] = true, true
	}
}

func (m *machine) doLocate(*rapid.T) { m.locate(m.pick(), m.service()) }

func (m *machine) locate(g *modelGuest, s string) {
	required, launched := false, false
	for edge := range g.requires {
		if edge[1] == s {
			required, launched = true, launched || g.launched[edge[0]]
		}
	}
	want := ok
	switch {
	case !m.known(s):
		want = notFound
	case !required:
		want = syscallpb.KernelErr_NotRequired
	case !launched:
		want = syscallpb.KernelErr_NotReady
	case m.exportedBy(s) == "":
		want = syscallpb.KernelErr_LocateError
	case !m.started(s):
		want = syscallpb.KernelErr_NotReady
	}
	found, err := g.locate(s)
	if m.same(want, err) {
		require.Len(m.t, found.GetBinding(), 1)
		g.located[s] = remote{g: g.guest, service: found.GetServiceId(), method: found.GetBinding()[0].GetMethodId()}
	}
}

func (m *machine) doDispatch(*rapid.T) { m.dispatch(m.pick(), m.service()) }

func (m *machine) dispatch(g *modelGuest, service string) {
	r, located := g.located[service]
	want := ok
	switch {
	case !located:
		r, want = remote{g: g.guest, method: &parigotpb.Id{High: m.sid(service).GetLow(), Low: 1}}, syscallpb.KernelErr_NotRequired
	case !m.started(service):
		want = syscallpb.KernelErr_CallerUnavailable
	}
	s, err := r.stand("x")
	if !m.same(want, err) {
		return
	}
	// Whose turn it is, is the kernel's affair.
	for _, o := range m.guests {
		if h := m.b.kernel.hosts.FindById(o.caller.ID); h == s.ci.target {
			require.True(m.t, o.started[service], "it serves the call")
			c := &modelCall{sent: s, caller: g, target: o}
			o.queue, m.calls = append(o.queue, c), append(m.calls, c)
			if rapid.Bool().Draw(m.t, "leaves") {
				m.leave(c)
			}
			return
		}
	}
	require.Fail(m.t, "the call is nowhere")
}

func (m *machine) doRead(*rapid.T) { m.read(m.pick()) }

func (m *machine) read(g *modelGuest) {
	resp, err := g.poll()
	require.NoError(m.t, err)
	if len(g.queue) > 0 {
		c := g.queue[0]
		require.Equal(m.t, c.number, resp.GetCall())
		c.state, g.queue = serving, g.queue[1:]
		return
	}
	drained := g.leaving && !slices.ContainsFunc(m.calls, func(c *modelCall) bool {
		return c.state != over && (c.caller == g || c.target == g)
	})
	if len(g.cancelled) == 0 && !drained {
		require.Nil(m.t, resp)
		return
	}
	require.Zero(m.t, resp.GetCall())
	var cancelled []uint64
	for _, c := range g.cancelled {
		cancelled = append(cancelled, c.number)
	}
	require.Equal(m.t, cancelled, resp.GetCancelled())
	require.Equal(m.t, drained, resp.GetExit().GetDrained())
	g.cancelled = nil
}

// doLeave has a caller go on that stood still.
func (m *machine) doLeave(*rapid.T) {
	if c := m.call(); !c.left && !c.read && !c.gaveUp {
		m.leave(c)
	}
}

func (m *machine) leave(c *modelCall) {
	c.left = true
	require.Equal(m.t, c.state != over, c.Leave())
}

func (m *machine) doResult(*rapid.T) {
	c := m.call()
	if c.state != over || c.gaveUp || c.read {
		return
	}
	require.Equal(m.t, c.failed, c.caller.await(c.sent).err != nil)
	c.read = true
}

func (m *machine) doReturn(*rapid.T) {
	g, c := m.pick(), m.call()
	want := badCallID
	if c.target == g && c.state == serving {
		want = ok
	}
	if m.same(want, g.answer(c.number, "y")) {
		c.state = over
	}
}

func (m *machine) doCancel(*rapid.T) {
	c := m.call()
	if c.gaveUp || c.read {
		return
	}
	c.gaveUp = c.state != over
	require.Equal(m.t, c.gaveUp, c.caller.cancel(c.sent))
	if c.gaveUp {
		c.abandon()
	}
}

func (m *machine) doExit(*rapid.T) {
	g := m.pick()
	require.NoError(m.t, g.exit(0, false))
	for _, s := range g.registered {
		m.withdraw(g, s)
	}
	g.leaving = true
	for _, c := range g.queue {
		m.fail(c)
	}
	g.queue = nil
}

func (m *machine) doEnd(*rapid.T) {
	if len(m.guests) == 1 {
		return
	}
	g := m.pick()
	g.end()
	g.requires = nil // or it would be told of its own end
	for _, s := range g.registered {
		m.withdraw(g, s)
	}
	m.guests = remove(m.guests, g)
	for _, c := range m.calls {
		switch {
		case c.state == over:
		case c.caller == g:
			c.abandon()
			c.failed = true
		case c.target == g:
			m.fail(c)
		}
	}
}

// check compares what the kernel tells, and what it holds, with the model.
func (m *machine) check(*rapid.T) {
	k, open := m.b.kernel, 0
	for _, c := range m.calls {
		if c.state != over && c.left {
			open++
		}
		require.Equal(m.t, c.state == over && !c.gaveUp && !c.read, !c.read && c.done())
	}
	require.Len(m.t, k.matcher.promises, open)
	for _, g := range m.guests {
		open -= len(k.hosts.FindById(g.caller.ID).expected)
	}
	require.Zero(m.t, open)
	require.Empty(m.t, k.matcher.resolved)
	require.Len(m.t, k.hosts.byID, len(m.guests))
	for _, s := range modelServices {
		found := k.data.ServiceByName(m.t.Context(), "p", s[len("p."):])
		require.Equal(m.t, m.known(s), found != nil, s)
		if found != nil {
			require.Equal(m.t, m.started(s), found.Started(), s)
			require.Equal(m.t, m.exportedBy(s) != "", found.Exported(), s)
		}
		for _, o := range modelServices {
			require.Equal(m.t, m.path(s, o), k.data.PathExists(m.t.Context(), s, o))
		}
	}
}
