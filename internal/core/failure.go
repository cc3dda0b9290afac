package core

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"

	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/instance"
	"github.com/iansmith/parigot/internal/wirestatus"
	"github.com/iansmith/parigot/pluginsdk/id"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// coded returns err as a caller may see it. Whatever a server of the host returns goes
// through here.
func coded(inst *instance.State, call string, err error) *status.Status {
	s, why := wirestatus.Crossing(err)
	if why != nil {
		return internal(inst, call, why)
	}
	return s
}

// internal logs err and returns the status that takes its place.
func internal(inst *instance.State, call string, err error, more ...any) *status.Status {
	return refuse(status.Internal, "%s: internal error, incident %s", call, logIncident(inst, call, err, more...))
}

// panicked is internal for a panic.
func panicked(inst *instance.State, call string, p any) *status.Status {
	return internal(inst, call, fmt.Errorf("panic: %v", p), "stack", string(debug.Stack()))
}

// refuse returns an error of the core itself. code is not OK.
func refuse(code status.Code, format string, args ...any) *status.Status {
	s, _ := status.From(status.Errorf(code, format, args...))
	return s
}

// Incident logs err as what went wrong in the call that ctx belongs to, and counts it. The
// incident it returns is all that a caller is told.
func Incident(ctx context.Context, err error) id.IncidentId {
	return logIncident(stateOf(ctx), NameOf(ctx), err)
}

func logIncident(inst *instance.State, call string, err error, more ...any) id.IncidentId {
	incident := id.New[id.IncidentKind]()
	inst.Counters.Incidents.Add(1)
	inst.Logger.Error("call failed", append([]any{
		"incident", incident.String(), "call", call, "guest", inst.Name, "err", err,
	}, more...)...)
	return incident
}

// EncodeFailure returns how s crosses: its code, and an encoded status of at most limit
// bytes. What is too large loses its text and all details but the first, as the code, and
// whose it is, matter more.
func EncodeFailure(s *status.Status, limit uint32, logger *slog.Logger, call string) (code int32, body []byte) {
	code, _ = s.WireCode()
	p := s.Proto()
	if uint64(proto.Size(p)) > uint64(limit) {
		wirestatus.Shorten(p)
	}
	b, err := proto.Marshal(p)
	if err != nil || uint64(len(b)) > uint64(limit) {
		logger.Error("a status cannot be sent", "call", call, "size", len(b), "err", err)
		return code, nil
	}
	return code, b
}

// Failure returns how err, which a server has returned, crosses to the caller that ctx
// belongs to.
func Failure(ctx context.Context, err error) (code int32, body []byte) {
	inst := stateOf(ctx)
	return EncodeFailure(coded(inst, NameOf(ctx), err), inst.Limits.MaxResponse, inst.Logger, NameOf(ctx))
}

// NameOf returns the full name of the method that ctx was made for, or "".
func NameOf(ctx context.Context) string {
	if c := FromContext(ctx); c != nil {
		return c.name
	}
	return ""
}
