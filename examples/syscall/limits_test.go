//go:build !wasip1

package syscall

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/iansmith/parigot/pluginsdk/status"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

func TestNamesAreLimited(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *syscallpb.SyscallConfig) {
		c.MaxHosts, c.MaxServices, c.MaxMethods = 2, 5, 3
		c.MaxGuestServices, c.MaxGuestMethods = 3, 2
	})
	one, two := b.guest("one"), b.guest("two")
	sid := one.mustRegister("p.A")
	require.NoError(t, one.require(sid, "p.B"))
	requireErr(t, one.require(sid, "p.C", "p.D"), exhausted)
	one.mustRegister("p.C")
	_, err := one.register("p.D")
	requireErr(t, err, exhausted)
	one.mustRegister("p.A") // not another one

	_, err = b.guest("two").register("p.E")
	require.NoError(t, err)
	_, err = two.register("p.F")
	requireErr(t, err, exhausted, "as many guests")
	b = setup(t, func(c *syscallpb.SyscallConfig) { c.MaxServices, c.MaxMethods, c.MaxGuestMethods = 2, 3, 2 })
	one, two = b.guest("one"), b.guest("two")
	sid = one.mustRegister("p.A")
	other := two.mustRegister("p.B")
	requireErr(t, one.require(sid, "p.C"), exhausted)
	bind := func(g *guest, name string) error {
		id := sid
		if g == two {
			id = other
		}
		_, err := g.bind(id, name)
		return err
	}
	for i := range 2 {
		require.NoError(t, bind(one, fmt.Sprint("M", i)))
	}
	requireErr(t, bind(one, "M2"), exhausted)
	require.NoError(t, bind(one, "M1"), "not another one")
	require.NoError(t, bind(two, "N"))
	requireErr(t, bind(two, "O"), exhausted)
	one.end()
	require.NoError(t, bind(two, "O"), "what a guest had is free when it ends")
	two.mustRegister("p.C")
	two.end()
	b.empty()
}

func TestCallsAreLimited(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *syscallpb.SyscallConfig) { c.MaxCallsInFlight, c.MaxQueuedCalls = 3, 2 })
	server, client, greeting := b.pair()
	greeting.mustCall("1")
	greeting.mustCall("2")
	_, err := greeting.call("3")
	require.ErrorIs(t, err, status.Of(status.ResourceExhausted))
	require.Contains(t, err.Error(), "calls waiting")
	first := server.incoming()
	server.incoming()
	call := greeting.mustCall("3")
	_, err = greeting.call("4")
	require.ErrorIs(t, err, status.Of(status.ResourceExhausted), "calls that were read count until they have their results")
	require.Contains(t, err.Error(), "in flight")
	require.NoError(t, server.answer(first.GetCall(), ""))
	greeting.mustCall("4")
	require.True(t, client.cancel(call))
	greeting.mustCall("5")
}

func TestWaitingBytesAreLimited(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *syscallpb.SyscallConfig) { c.MaxPayloadBytes, c.MaxWaitingBytes = 100, 1 })
	require.Equal(t, 100, b.kernel.maxWaitingBytes, "one payload always has room")
	server, client, greeting := b.pair()
	large := strings.Repeat("x", 60)
	greeting.mustCall(large)
	_, err := greeting.call(large)
	require.ErrorIs(t, err, status.Of(status.ResourceExhausted))
	server.incoming()
	greeting.mustCall(large)
	server.incoming()
	require.Zero(t, b.kernel.hosts.FindById(server.caller.ID).queuedBytes)

	greeting.mustCall("x")
	in := server.incoming()
	requireErr(t, server.answer(in.GetCall(), strings.Repeat("x", 101)), syscallpb.KernelErr_DataTooLarge)
	require.NoError(t, server.answer(in.GetCall(), "less"), "the call waits for another answer")
	require.Equal(t, "less", client.result().body)
}

func TestConfig(t *testing.T) {
	t.Parallel()
	s, err := newSettings(nil)
	require.NoError(t, err)
	require.Equal(t, settings{
		maxHosts: 4096, maxServices: 4096, maxMethods: 65536, maxGuestServices: 256, maxGuestMethods: 4096,
		maxPayload: 16 << 20, maxQueuedCalls: 1024, maxCallsInFlight: 1024, maxWaitingBytes: 64 << 20, maxCallDepth: 64,
		launchTimeout: 30 * time.Second, writeTimeout: 30 * time.Second,
	}, s)
	for _, c := range []struct {
		config *syscallpb.SyscallConfig
		want   string
	}{
		{&syscallpb.SyscallConfig{MaxPayloadBytes: 33 << 20}, "max_payload_bytes is 34603008: set it to at most 33554432"},
		{&syscallpb.SyscallConfig{LaunchTimeout: durationpb.New(-1)}, "launch_timeout is -1ns: set it to more than 0"},
		{&syscallpb.SyscallConfig{WriteTimeout: &durationpb.Duration{Nanos: -1, Seconds: 1}}, "write_timeout is no duration"},
		{&syscallpb.SyscallConfig{ExitGuests: []string{"main", ""}}, "exit_guests[1] is empty"},
	} {
		_, err := newSettings(c.config)
		require.ErrorContains(t, err, c.want)
	}
}
