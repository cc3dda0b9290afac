// Package instance holds what the host keeps for one guest instance between its
// calls.
package instance

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/iansmith/parigot/internal/contract"
	"github.com/iansmith/parigot/pluginsdk/id"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// The limits of calls, unless a host says otherwise. Package eng tells what they are.
const (
	DefaultMaxMessage = 64 << 20
	DefaultMaxDecoded = 128 << 20
	DefaultCallBudget = 200 * time.Millisecond
)

// Limits bound what one call may do. Engine and tests set every field.
type Limits struct {
	MaxRequest  uint32        // bytes
	MaxResponse uint32        // bytes
	MaxDecoded  uint64        // bytes that a request takes when it is decoded
	Budget      time.Duration // not positive: none
	Stack       uint64        // bytes; 0: none
}

// Counters count what went wrong, over all instances of an engine.
type Counters struct {
	Slow      atomic.Uint64
	Incidents atomic.Uint64
}

// State belongs to one guest instance. ID to Account and Calls are set once,
// before the first call. The rest, but for Ended, Running and Wanted, is touched only by the goroutine
// that runs the instance, and one runs it at a time.
type State struct {
	ID       id.HostId
	Name     string
	Limits   Limits
	Logger   *slog.Logger
	Counters *Counters

	// Grants are what the instance may call and serve; nil means all there is.
	Grants *Grants

	// Contract is what the guest was built for, or nil when it does not say.
	Contract *contract.Contract

	// Intercept calls the interceptors of the engine around a call, which is a *core.Call;
	// nil if there are none. Package core makes it.
	Intercept func(ctx context.Context, call any, next func(context.Context) error) error

	// Remote is set in a plugin's own process, where calls arrive with what is left
	// of their budgets, and the host tells when one takes too long.
	Remote bool

	// Account counts the host memory that is held for the instance. In a plugin's own
	// process it counts that process's. It is nil for calls of a local client.
	Account *Account

	// Entered is the function of the guest that its host called last. Its stack is the
	// instance's.
	Entered api.Function

	// Ended is set when the instance has ended, for calls that somebody makes
	// with its context all the same.
	Ended atomic.Bool

	// Errno is the number of WASI that a file of the guest failed with, if wazero has no such
	// number; else 0.
	Errno uint16

	// Parked waits for parigot.take: a response or a status that did not fit. It is
	// reserved in Account.
	Parked []byte

	// Next belongs to the next call: what parigot.header brought.
	Next Header

	// Frames are what servers of methods keep from one call of this instance to the next.
	Frames map[*Server]any

	// Running are the calls that have not returned, for who watches them.
	Running Running

	// Serving is the context of the call of its host that the instance is in, or nil.
	Serving *Context

	// Outgoing is the request of the call of its host that the instance serves.
	Outgoing Outgoing

	// Wanted has a guest return that its host has entered to let calls go on. It is nil
	// for a guest that serves nothing.
	Wanted *Wanted

	// Calls are the calls that go on while the instance runs. It is nil when
	// the guest does not import parigot.await, so that its calls all block.
	Calls *Calls
}

// Header is a received call header. The zero value is a call without one.
type Header struct {
	Call     *parigotpb.CallHeader
	Received time.Time
	Err      *status.Status // why it could not be used, with a canonical code
}

// TakeHeader returns the header of the call that starts now and forgets it.
func (s *State) TakeHeader() Header {
	h := s.Next
	if h.Call != nil || h.Err != nil {
		s.Next = Header{}
	}
	return h
}

// Unpark forgets what is parked.
func (s *State) Unpark() {
	s.Account.Release(uint64(len(s.Parked)))
	s.Parked = nil
}

// Server identifies a server of a method by its address.
type Server struct{ _ byte }

// SetFrame keeps frame for a server.
func (s *State) SetFrame(server *Server, frame any) {
	if s.Frames == nil {
		s.Frames = make(map[*Server]any)
	}
	s.Frames[server] = frame
}

type contextKey struct{}

// NewContext returns a context whose calls come from the instance of s.
func NewContext(ctx context.Context, s *State) context.Context {
	return context.WithValue(ctx, contextKey{}, s)
}

// FromContext returns the state behind a call, or nil when no guest makes it.
func FromContext(ctx context.Context) *State {
	if c, ok := ctx.(*Context); ok {
		return c.state
	}
	s, _ := ctx.Value(contextKey{}).(*State)
	return s
}
