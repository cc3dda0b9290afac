//go:build !wasip1

package syscall

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/status"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

// single says that the guest does one thing at a time.
func (g *guest) single() *guest {
	_, err := g.client.Register(g.ctx, &syscallpb.RegisterRequest{IsClient: true, SingleFlight: true})
	require.NoError(g.t, err)
	return g
}

// crowd starts guests that serve p.<name> and can call each other.
func crowd(b *bundle, single bool, names ...string) map[string]*guest {
	all := map[string]*guest{}
	for _, name := range names {
		g := b.guest(name)
		if single {
			g.single()
		}
		g.serve("p." + name)
		all[name] = g
	}
	for _, name := range names {
		var others []string
		for _, o := range names {
			if o != name {
				others = append(others, "p."+o)
			}
		}
		all[name].use(others...)
	}
	return all
}

// finish waits for the result of one call, in the background.
func (g *guest) finish(s *sent) <-chan *answered {
	done := make(chan *answered, 1)
	go func() { done <- g.await(s) }()
	synctest.Wait()
	return done
}

// Three guests that do nothing while they wait call each other in a ring: the one
// that closes it is told, and the others go on.
func TestRingOfCalls(t *testing.T) {
	t.Parallel()
	inTime(t, nil, func(t *testing.T, b *bundle) {
		g := crowd(b, true, "a", "b", "c")
		toB := g["a"].find("p.b").mustCall("1")
		waitA := g["a"].finish(toB)
		inB := g["b"].incoming()
		toC := g["b"].find("p.c").mustCall("2", onBehalf(inB.GetCall()))
		waitB := g["b"].finish(toC)
		inC := g["c"].incoming()
		toA := g["c"].find("p.a").mustCall("3", onBehalf(inC.GetCall()))

		requireErr(t, (<-g["c"].finish(toA)).err, cycle, "c → a → b → c")
		require.NoError(t, g["c"].answer(inC.GetCall(), "without a"))
		require.NoError(t, (<-waitB).err)
		require.NoError(t, g["b"].answer(inB.GetCall(), "done"))
		require.NoError(t, (<-waitA).err)
		g["a"].nothing() // the call that closed the ring was taken back
	})
}

func TestRingOfOne(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	g := b.guest("a").single()
	g.serve("p.a")
	g.use("p.a")
	requireErr(t, g.await(g.find("p.a").mustCall("x")).err, cycle, "a → a")
	call, err := g.find("p.a").stand("while it stands still")
	require.NoError(t, err)
	requireErr(t, g.await(call).err, cycle, "a → a")
	g.nothing() // the calls were taken back
}

// No alarm is false: guests that read while they wait, calls that are answered in
// between, and guests of which only some do one thing at a time.
func TestLegalRings(t *testing.T) {
	t.Parallel()
	inTime(t, nil, func(t *testing.T, b *bundle) {
		g := crowd(b, true, "a", "b", "c")
		toB := g["a"].find("p.b").mustCall("1")
		inB := g["b"].incoming()
		toC := g["b"].find("p.c").mustCall("2")
		waitB := g["b"].finish(toC)
		inC := g["c"].incoming()
		toA := g["c"].find("p.a").mustCall("3")
		waitC := g["c"].finish(toA)
		// a waits too, but for whatever comes: its own call comes back to it.
		in := g["a"].incoming()
		require.Equal(t, "3", string(in.GetParam()))
		require.NoError(t, g["a"].answer(in.GetCall(), "back"))
		require.NoError(t, (<-waitC).err)
		require.NoError(t, g["c"].answer(inC.GetCall(), "back"))
		require.NoError(t, (<-waitB).err)
		require.NoError(t, g["b"].answer(inB.GetCall(), "back"))
		require.NoError(t, (<-g["a"].finish(toB)).err)
		for _, h := range b.kernel.hosts.all() {
			require.Nil(t, h.deafOn, "nobody waits")
		}
	})
	inTime(t, nil, func(t *testing.T, b *bundle) {
		g := crowd(b, false, "a", "b")
		g["a"].single()
		toB := g["a"].find("p.b").mustCall("1")
		toA := g["b"].find("p.a").mustCall("2")
		waitA, waitB := g["a"].finish(toB), g["b"].finish(toA)
		// b never said that it does one thing at a time: another of its
		// goroutines reads and answers.
		require.NoError(t, g["b"].answer(g["b"].incoming().GetCall(), "x"))
		require.NoError(t, (<-waitA).err)
		require.NoError(t, g["a"].answer(g["a"].incoming().GetCall(), "y"))
		require.NoError(t, (<-waitB).err)
	})
}

// launching is a guest that waits in Launch for one service, and exports another
// that it would launch afterwards.
func (b *bundle) launching(name, waitsFor, offers string) (*guest, <-chan error) {
	g := b.guest(name).single()
	offered := g.mustRegister(offers)
	require.NoError(b.t, g.export(offered))
	sid := g.mustRegister("p.main_" + name)
	require.NoError(b.t, g.export(sid))
	require.NoError(b.t, g.require(sid, waitsFor))
	done := make(chan error, 1)
	go func() { done <- g.launch(sid) }()
	synctest.Wait()
	return g, done
}

// Guests whose services require each other in no ring, but which wait for each
// other all the same.
func TestRingOfLaunches(t *testing.T) {
	t.Parallel()
	inTime(t, nil, func(t *testing.T, b *bundle) {
		a, doneA := b.launching("a", "p.ofB", "p.ofA")
		require.Empty(t, doneA, "nobody exports it: somebody may come")
		_, doneB := b.launching("b", "p.ofC", "p.ofB")
		require.Empty(t, doneB)
		c, doneC := b.launching("c", "p.ofA", "p.ofC")
		requireErr(t, <-doneC, cycle, "c → a → b → c")
		require.Empty(t, doneA, "the others wait on")

		// c goes on without a, and frees them.
		require.NoError(t, c.launch(c.mustRegister("p.ofC")))
		require.NoError(t, <-doneB)
		a.end()
		requireErr(t, <-doneA, syscallpb.KernelErr_ChannelClosed)
	})
}

// As long as one replica can still start a service nobody is stuck. When it ends,
// those who are left are told.
func TestRingOfLaunchesWithReplicas(t *testing.T) {
	t.Parallel()
	inTime(t, nil, func(t *testing.T, b *bundle) {
		hope := b.guest("b")
		require.NoError(t, hope.export(hope.mustRegister("p.ofB")))
		_, doneA := b.launching("a", "p.ofB", "p.ofA")
		other, doneB := b.launching("b", "p.ofA", "p.ofB")
		require.Empty(t, doneA)
		require.Empty(t, doneB)
		hope.end()
		requireErr(t, <-doneA, cycle, "a → b → a")
		require.Empty(t, doneB, "one is told, which may free the other")
		other.end()
		requireErr(t, <-doneB, syscallpb.KernelErr_ChannelClosed)
	})
}

// Nor is anybody stuck as long as the one who can start a service waits for somebody
// yet to come.
func TestNoRingWhileSomebodyMayCome(t *testing.T) {
	t.Parallel()
	inTime(t, nil, func(t *testing.T, b *bundle) {
		hope := b.guest("b").single()
		ofB := hope.mustRegister("p.ofB")
		require.NoError(t, hope.export(ofB))
		main := hope.mustRegister("p.hope")
		require.NoError(t, hope.export(main))
		require.NoError(t, hope.require(main, "p.Unheard"))
		launched := make(chan error, 1)
		go func() { launched <- hope.launch(main) }()
		_, doneA := b.launching("a", "p.ofB", "p.ofA")
		other, doneB := b.launching("b", "p.ofA", "p.ofB")
		require.Empty(t, doneA)
		require.Empty(t, doneB)
		b.guest("newcomer").serve("p.Unheard")
		require.NoError(t, <-launched)
		require.NoError(t, hope.launch(ofB))
		require.NoError(t, <-doneA)
		other.end()
		requireErr(t, <-doneB, syscallpb.KernelErr_ChannelClosed)
	})
}

// One service that can start does not make up for another one that cannot.
func TestRingBesideAFreeService(t *testing.T) {
	t.Parallel()
	inTime(t, nil, func(t *testing.T, b *bundle) {
		for range 2 {
			free := b.guest("free")
			require.NoError(t, free.export(free.mustRegister("p.Free")))
		}
		a := b.guest("a").single()
		require.NoError(t, a.export(a.mustRegister("p.ofA")))
		b1, doneB := b.launching("b", "p.ofA", "p.ofB")
		main := a.mustRegister("p.main_a")
		require.NoError(t, a.export(main))
		require.NoError(t, a.require(main, "p.Free", "p.ofB"))
		requireErr(t, a.launch(main), cycle, "a → b → a")
		b1.end()
		requireErr(t, <-doneB, syscallpb.KernelErr_ChannelClosed)
	})
}

// A guest waits for the result of a call, its target in Launch.
func TestRingOfCallAndLaunch(t *testing.T) {
	t.Parallel()
	inTime(t, nil, func(t *testing.T, b *bundle) {
		server := b.guest("server").single()
		server.serve("p.Server")
		client := b.guest("client").single()
		client.use("p.Server")
		later := client.mustRegister("p.Later")
		require.NoError(t, client.export(later))
		waiting := client.finish(client.find("p.Server").mustCall("x"))

		second := server.mustRegister("p.Second")
		require.NoError(t, server.export(second))
		require.NoError(t, server.require(second, "p.Later"))
		requireErr(t, server.launch(second), cycle, "server → client → server")
		require.NoError(t, server.answer(server.incoming().GetCall(), "y"))
		require.NoError(t, (<-waiting).err)
	})
}

// Calls on behalf of calls that come back again and again are a ring without end.
func TestEndlessRecursion(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *syscallpb.SyscallConfig) { c.MaxCallDepth = 4 })
	g := crowd(b, false, "a", "b")
	there, back := g["a"].find("p.b"), g["b"].find("p.a")
	there.mustCall("0")
	var in *syscallpb.NextResponse
	for range 2 {
		in = g["b"].incoming()
		back.mustCall("", onBehalf(in.GetCall()))
		in = g["a"].incoming()
		there.mustCall("", onBehalf(in.GetCall()))
	}
	in = g["b"].incoming()
	_, err := back.call("", onBehalf(in.GetCall()))
	requireErr(t, err, cycle, "a → b → a → b → a → b → a", "deeper than 4")
	_, err = back.call("")
	require.NoError(t, err, "a call of its own is no deeper")
	require.NoError(t, g["b"].answer(in.GetCall(), "enough"))
	_, err = back.call("", onBehalf(in.GetCall()))
	require.ErrorIs(t, err, status.Of(badCallID), "it serves that call no longer")
}

// locating is a guest that waits in Launch for a service, and would export
// another one afterwards, as generated code does that locates before it serves.
func (g *guest) locating(waitsFor string) <-chan error {
	sid := g.mustRegister("")
	require.NoError(g.t, g.require(sid, waitsFor))
	done := make(chan error, 1)
	go func() {
		_, err := g.client.Launch(g.ctx, &syscallpb.LaunchRequest{ServiceId: sid, SingleFlight: true})
		done <- err
	}()
	synctest.Wait()
	return done
}

// Guests that locate each other's services before they export their own: who should
// serve what is known from their names.
func TestRingOfGuestsThatServeLater(t *testing.T) {
	t.Parallel()
	inTime(t, nil, func(t *testing.T, b *bundle) {
		doneA := b.guest("p.ofA").locating("p.ofB")
		doneB := b.guest("p.ofB").locating("p.ofC")
		require.Empty(t, doneA)
		require.Empty(t, doneB, "somebody may come")
		c := b.guest("p.ofC")
		requireErr(t, <-c.locating("p.ofA"), cycle, "p.ofC → p.ofA → p.ofB → p.ofC")
		c.serve("p.ofC")
		require.NoError(t, <-doneB)
		require.Empty(t, doneA)
		b.guest("p.ofB").serve("p.ofB")
		require.NoError(t, <-doneA)
	})
}

// The same, known from what they were granted; and a guest that ends takes the hope
// of those who are left along.
func TestRingOfGuestsThatWereGranted(t *testing.T) {
	t.Parallel()
	inTime(t, nil, func(t *testing.T, b *bundle) {
		serves := func(name, service string) *guest {
			return b.guest(name).granted(eng.Grants{Calls: []string{"p.ofA", "p.ofB"}, Serves: []string{service}})
		}
		hope := serves("b", "p.ofB")
		hope.mustRegister("")
		a, other := serves("a", "p.ofA"), serves("b", "p.ofB")
		doneA, doneB := a.locating("p.ofB"), other.locating("p.ofA")
		require.Empty(t, doneA)
		require.Empty(t, doneB, "the other b may serve")
		hope.end()
		select {
		case err := <-doneA:
			requireErr(t, err, cycle, "a → b → a")
		case err := <-doneB:
			requireErr(t, err, cycle, "b → a → b")
		}
		a.end()
		other.end()
	})
}

// A guest that waits for what nobody is known to serve is in no ring.
func TestNoRingWithoutServers(t *testing.T) {
	t.Parallel()
	inTime(t, nil, func(t *testing.T, b *bundle) {
		doneA := b.guest("a").locating("p.ofB")
		doneB := b.guest("b").locating("p.ofA")
		require.Empty(t, doneA)
		require.Empty(t, doneB)
		b.guest("c").serve("p.ofA")
		require.NoError(t, <-doneB)
		b.guest("d").serve("p.ofB")
		require.NoError(t, <-doneA)
	})
}
