package pluginsdk

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/iansmith/parigot/internal/instance"
	"github.com/iansmith/parigot/pluginsdk/id"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// Incident keeps err from the guest: it logs err, and returns an error with code
// whose message names the incident id under which the log has it. An
// implementation calls it with an error enum's value for "the host failed"; an
// error without a code becomes INTERNAL in the same way without it. ctx is the
// context of the call. It returns nil when err is nil, and for the zero value of an
// enum it returns err as it is.
func Incident(ctx context.Context, code protoreflect.Enum, err error) error {
	if err == nil || code.Number() == 0 {
		return err
	}
	incident := logIncident(stateOf(ctx), FuncName(ctx), err)
	return status.Wrap(code, err, fmt.Sprintf("%s failed in the host, incident %s", FuncName(ctx), incident))
}

// logIncident logs what went wrong in the call of a method, and counts it.
func logIncident(inst *instance.State, call string, err error, more ...any) id.IncidentId {
	incident := id.New[id.IncidentKind]()
	inst.Counters.Incidents.Add(1)
	inst.Logger.Error("call failed", append([]any{
		"incident", incident.String(), "call", call, "guest", inst.Name, "err", err,
	}, more...)...)
	return incident
}
