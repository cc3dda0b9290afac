package eng

import (
	"context"
	"encoding/binary"
	"math"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/internal/instance"
)

// Numbers of WASI preview 1.
const (
	wasiOK     = 0
	wasiBadFD  = 8
	wasiFault  = 21
	wasiInval  = 28
	wasiNotSup = 58

	wasiNameTooLong = 37
	wasiNoEnt       = 44

	eventClock   = 0
	eventFDRead  = 1
	eventFDWrite = 2

	subscriptionSize = 48
	eventSize        = 32
	fdstatSize       = 24

	fileCharacterDevice = 2
	flagNonblock        = 4
	rightsOfStdio       = 1<<1 | 1<<6 // fd_read, fd_write
	rightPoll           = 1 << 27
)

// polling replaces the function of WASI with this name if it is one of the two by which a
// guest waits for abi.Completions, which is no file. Go's scheduler calls poll_oneoff exactly when
// no goroutine can run, with the time of the next timer: so a goroutine that polls
// the descriptor is woken by a finished call, and nothing else is delayed. wazero's
// own poll_oneoff knows no descriptor but standard input to wait for.
func polling(name string, f api.GoModuleFunction) api.GoModuleFunction {
	switch name {
	case "poll_oneoff":
		return api.GoModuleFunc(pollOneoff)
	case "fd_fdstat_get":
		return fdstatGet(f)
	}
	return f
}

// fdstatGet tells about the standard streams and abi.Completions, and has files do so, which
// tells about files.
func fdstatGet(files api.GoModuleFunction) api.GoModuleFunc {
	return func(ctx context.Context, m api.Module, stack []uint64) {
		fd := api.DecodeU32(stack[0])
		if fd >= firstFile && fd != abi.Completions && fd != abi.Wanted {
			files.Call(ctx, m, stack)
			return
		}
		stack[0] = writeStat(m.Memory(), fd, api.DecodeU32(stack[1]))
	}
}

func writeStat(mem api.Memory, fd, ptr uint32) (errno uint64) {
	stat := make([]byte, fdstatSize)
	if fd == abi.Completions || fd == abi.Wanted {
		binary.LittleEndian.PutUint16(stat[2:], flagNonblock)
		binary.LittleEndian.PutUint64(stat[8:], rightPoll)
	} else {
		stat[0] = fileCharacterDevice
		binary.LittleEndian.PutUint64(stat[8:], rightsOfStdio|rightPoll)
	}
	if !mem.Write(ptr, stat) {
		return wasiFault
	}
	return wasiOK
}

// pollOneoff waits for the first of some subscriptions: clocks, abi.Completions and
// abi.Wanted. Standard input counts as always readable, output as not
// supported, as with wazero's own.
func pollOneoff(ctx context.Context, m api.Module, stack []uint64) {
	in, out := api.DecodeU32(stack[0]), api.DecodeU32(stack[1])
	count, result := api.DecodeU32(stack[2]), api.DecodeU32(stack[3])
	stack[0] = poll(ctx, m.Memory(), in, out, count, result)
}

func poll(ctx context.Context, mem api.Memory, in, out, count, result uint32) uint64 {
	if ctx.Err() != nil {
		endGuest()
	}
	if count == 0 || count > maxSubscriptions {
		return wasiInval
	}
	subs, ok := mem.Read(in, count*subscriptionSize)
	events, okEvents := mem.Read(out, count*eventSize)
	if !ok || !okEvents {
		return wasiFault
	}
	p := poller{limit: -1}
	if s := instance.FromContext(ctx); s != nil {
		p.calls, p.wanted = s.Calls, s.Wanted
	}
	for s := subs; len(s) > 0; s = s[subscriptionSize:] {
		if errno := p.look(s[:subscriptionSize]); errno != wasiOK {
			return errno
		}
	}
	p.wait(ctx)
	n := uint32(0)
	for s := subs; len(s) > 0; s = s[subscriptionSize:] {
		if p.happened(s[:subscriptionSize], events[n*eventSize:]) {
			n++
		}
	}
	if !mem.WriteUint32Le(result, n) {
		return wasiFault
	}
	return wasiOK
}

// poller is one poll_oneoff.
type poller struct {
	calls *instance.Calls // nil when the guest can have none
	watch bool            // a subscription is for finished calls

	wanted      *instance.Wanted // nil when the guest serves nothing
	watchWanted bool             // a subscription is for that

	limit time.Duration // of the clock that rings first; negative without a clock
	now   bool          // something has happened already
	awake bool          // a call has finished
	slept time.Duration
}

// look takes a subscription into account.
func (p *poller) look(sub []byte) (errno uint64) {
	switch kind, fd := subscribed(sub); {
	case kind == eventClock:
		if flags := binary.LittleEndian.Uint16(sub[40:]); flags == 1 {
			return wasiNotSup // an absolute time
		} else if flags != 0 {
			return wasiInval
		}
		if d := timeoutOf(sub); p.limit < 0 || d < p.limit {
			p.limit = d
		}
	case kind > eventFDWrite:
		return wasiInval
	case p.awaited(kind, fd):
		p.watch = true
	case p.awaitedWanted(kind, fd):
		p.watchWanted = true
	default:
		p.now = true
	}
	return wasiOK
}

// awaited reports whether a descriptor is one to wait for.
func (p *poller) awaited(kind byte, fd uint32) bool {
	return kind == eventFDRead && fd == abi.Completions && p.calls != nil
}

// awaitedWanted is awaited for abi.Wanted.
func (p *poller) awaitedWanted(kind byte, fd uint32) bool {
	return kind == eventFDRead && fd == abi.Wanted && p.wanted != nil
}

func (p *poller) wait(ctx context.Context) {
	if p.now {
		p.limit = 0
	}
	var began time.Time
	if p.limit > 0 {
		began = time.Now()
	}
	calls := noCalls
	if p.watch {
		calls = p.calls
	}
	var wake <-chan struct{}
	if p.watchWanted {
		wake = p.wanted.Wake()
		if p.wanted.Is() {
			p.limit = 0
		}
	}
	p.awake = waitForCalls(ctx, calls, p.limit, wake)
	if p.limit > 0 {
		p.slept = time.Since(began)
	}
}

// noCalls never has anything to deliver.
var noCalls = new(instance.Calls)

// happened writes the event of a subscription, if there is one.
func (p *poller) happened(sub, event []byte) bool {
	kind, fd := subscribed(sub)
	var errno uint16
	var bytes uint64
	switch {
	case kind == eventClock:
		if timeoutOf(sub) > p.slept {
			return false
		}
	case p.awaited(kind, fd):
		if !p.awake {
			return false
		}
		bytes = abi.RecordSize
	case p.awaitedWanted(kind, fd):
		if !p.wanted.Is() {
			return false
		}
		bytes = 1
	case fd > 2:
		errno = wasiBadFD
	case kind == eventFDWrite:
		errno = wasiNotSup
	}
	user := binary.LittleEndian.Uint64(sub)
	clear(event[:eventSize])
	binary.LittleEndian.PutUint64(event, user)
	binary.LittleEndian.PutUint16(event[8:], errno)
	event[10] = kind
	binary.LittleEndian.PutUint64(event[16:], bytes)
	return true
}

func subscribed(sub []byte) (kind byte, fd uint32) {
	return sub[8], binary.LittleEndian.Uint32(sub[16:])
}

// timeoutOf returns how long a clock runs. What does not fit is as good as for ever.
func timeoutOf(sub []byte) time.Duration {
	return time.Duration(min(binary.LittleEndian.Uint64(sub[24:]), math.MaxInt64))
}
