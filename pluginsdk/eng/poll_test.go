package eng

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/internal/instance"
)

const pollMemory = 64 << 10

// newPollMemory returns a page of wasm memory.
func newPollMemory(tb testing.TB) api.Module {
	tb.Helper()
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	tb.Cleanup(func() { require.NoError(tb, r.Close(ctx)) })
	m, err := r.Instantiate(ctx, []byte(preamble+
		sectionOf(5, "\x01\x01\x01\x01")+ // memory 0: one page
		sectionOf(7, "\x01\x06memory\x02\x00"))) // exported
	require.NoError(tb, err)
	return m
}

// subscription returns the bytes of one. at is the descriptor, or how long a clock
// runs.
func subscription(user uint64, kind byte, at uint64) []byte {
	b := binary.LittleEndian.AppendUint64(nil, user)
	b = append(b, make([]byte, subscriptionSize-8)...)
	b[8] = kind
	if kind == eventClock {
		binary.LittleEndian.PutUint32(b[16:], 1)
		binary.LittleEndian.PutUint64(b[24:], at)
	} else {
		binary.LittleEndian.PutUint32(b[16:], uint32(at))
	}
	return b
}

// polled calls poll_oneoff and returns the events as [user, errno, kind].
func polled(t *testing.T, ctx context.Context, m api.Module, subs ...[]byte) (events [][3]uint64) {
	t.Helper()
	const in, out, result = 0, 4096, 8192
	require.True(t, m.Memory().Write(in, bytes.Join(subs, nil)))
	stack := []uint64{in, out, uint64(len(subs)), result}
	pollOneoff(ctx, m, stack)
	require.EqualValues(t, wasiOK, stack[0])
	n, _ := m.Memory().ReadUint32Le(result)
	for i := range n {
		e, _ := m.Memory().Read(out+i*eventSize, eventSize)
		events = append(events, [3]uint64{binary.LittleEndian.Uint64(e), uint64(binary.LittleEndian.Uint16(e[8:])), uint64(e[10])})
	}
	return events
}

func TestPoll(t *testing.T) {
	t.Parallel()
	m := newPollMemory(t)
	synctest.Test(t, func(t *testing.T) {
		calls := instance.NewCalls(10, instance.NewAccount(1<<20), new(sync.WaitGroup))
		ctx, cancel := context.WithCancel(instance.NewContext(context.Background(), &instance.State{Calls: calls}))
		minute, second := subscription(1, eventClock, uint64(time.Minute)), subscription(2, eventClock, uint64(time.Second))
		forever := subscription(3, eventClock, math.MaxUint64)
		results := subscription(4, eventFDRead, abi.Completions)
		stdin, stdout := subscription(5, eventFDRead, 0), subscription(6, eventFDWrite, 1)
		wrong := subscription(7, eventFDRead, 9)

		took := func(want time.Duration, events [][3]uint64, subs ...[]byte) {
			t.Helper()
			begin := time.Now()
			require.Equal(t, events, polled(t, ctx, m, subs...))
			require.Equal(t, want, time.Since(begin))
		}
		took(time.Second, [][3]uint64{{2, 0, eventClock}}, minute, results, second, forever)
		took(0, [][3]uint64{{9, 0, eventClock}}, subscription(9, eventClock, 0), results, minute)
		took(0, [][3]uint64{{5, 0, eventFDRead}, {6, wasiNotSup, eventFDWrite}, {7, wasiBadFD, eventFDRead}}, stdin, results, stdout, wrong, minute)

		o, _ := calls.Start(0, func() {})
		time.AfterFunc(time.Hour, func() { calls.Finish(o, 0, nil) })
		took(time.Minute, [][3]uint64{{1, 0, eventClock}}, minute, results)
		took(59*time.Minute, [][3]uint64{{4, 0, eventFDRead}}, results, forever)
		took(0, [][3]uint64{{4, 0, eventFDRead}}, minute, results) // it is ready until await
		took(0, [][3]uint64{{5, 0, eventFDRead}, {4, 0, eventFDRead}}, stdin, results)
		took(time.Second, [][3]uint64{{2, 0, eventClock}}, second) // who sleeps is not woken by it
		_, _ = calls.Deliver(make([]byte, abi.RecordSize))

		time.AfterFunc(time.Hour, cancel)
		require.PanicsWithError(t, sys.NewExitError(sys.ExitCodeContextCanceled).Error(), func() {
			polled(t, ctx, m, results)
		})
	})
}

// noFiles is fd_fdstat_get of a guest without files.
var noFiles api.GoModuleFunc = func(_ context.Context, _ api.Module, stack []uint64) { stack[0] = wasiBadFD }

func TestFdstat(t *testing.T) {
	t.Parallel()
	m := newPollMemory(t)
	for fd, want := range map[uint64][2]uint64{0: {wasiOK, 0}, 1: {wasiOK, 0}, 2: {wasiOK, 0}, 3: {wasiBadFD, 0}, abi.Completions: {wasiOK, flagNonblock}} {
		stack := []uint64{fd, 100}
		fdstatGet(noFiles).Call(t.Context(), m, stack)
		require.Equal(t, want[0], stack[0], fd)
		flags, _ := m.Memory().ReadUint16Le(102)
		if want[0] == wasiOK {
			require.EqualValues(t, want[1], flags, fd)
		}
	}
	stack := []uint64{1, pollMemory - fdstatSize + 1}
	fdstatGet(noFiles).Call(t.Context(), m, stack)
	require.EqualValues(t, wasiFault, stack[0])
}

// FuzzPoll gives poll_oneoff arbitrary parameters and subscriptions. It answers with a
// documented errno, or ends the guest that would wait, and writes nothing but events
// and their number.
func FuzzPoll(f *testing.F) {
	clock, results := subscription(1, eventClock, 5), subscription(2, eventFDRead, abi.Completions)
	f.Add(uint32(0), uint32(4096), uint32(2), uint32(8192), append(bytes.Clone(clock), results...))
	f.Add(uint32(0), uint32(16), uint32(2), uint32(8), append(bytes.Clone(results), clock...))
	f.Add(uint32(pollMemory-48), uint32(pollMemory-32), uint32(1), uint32(pollMemory-4), results)
	f.Add(uint32(0), uint32(0), uint32(math.MaxUint32), uint32(0), clock)
	f.Add(uint32(0), uint32(0), uint32(math.MaxUint32/48+1), uint32(0), clock)
	f.Add(uint32(0), uint32(0), uint32(0), uint32(0), clock)
	m := newPollMemory(f)
	f.Fuzz(func(t *testing.T, in, out, count, result uint32, data []byte) {
		all, _ := m.Memory().Read(0, pollMemory)
		clear(all)
		if uint64(in)+uint64(len(data)) <= pollMemory {
			m.Memory().Write(in, data)
		}
		before := bytes.Clone(all)
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // nothing waits
		calls := instance.NewCalls(10, instance.NewAccount(1<<20), new(sync.WaitGroup))
		ctx = instance.NewContext(ctx, &instance.State{Calls: calls})
		if count%2 == 0 {
			o, _ := calls.Start(0, func() {})
			calls.Finish(o, 0, nil)
		}
		stack := []uint64{0xdeadbeef<<32 | uint64(in), uint64(out), uint64(count), uint64(result)}
		func() {
			defer func() {
				if p := recover(); p != nil {
					require.IsType(t, new(sys.ExitError), p)
				}
			}()
			pollOneoff(ctx, m, stack)
			require.Contains(t, []uint64{wasiOK, wasiFault, wasiInval, wasiNotSup}, stack[0])
		}()
		for _, b := range [][]byte{before, all} {
			for _, may := range [][2]uint64{{uint64(out), uint64(count) * eventSize}, {uint64(result), 4}} {
				clear(b[min(may[0], pollMemory):min(may[0]+may[1], pollMemory)])
			}
		}
		require.True(t, bytes.Equal(before, all), "something else was written")
	})
}
