package pluginsdk

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/iansmith/parigot/internal/core"
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
	return status.Wrap(code, err, fmt.Sprintf("%s failed in the host, incident %s", FuncName(ctx), core.Incident(ctx, err)))
}

// Unmarshal is [proto.Unmarshal] for bytes that come from a guest, such as the value of an
// Any in a request: it bounds what decoding them takes before it decodes them, as is done
// for requests themselves. ctx is that of the call, or any other. The error is
// RESOURCE_EXHAUSTED if they take more than [eng.WithMaxDecoded] allows, or if messages are
// nested too deeply, and INVALID_ARGUMENT if they do not decode. m is unspecified then.
func Unmarshal(ctx context.Context, b []byte, m proto.Message) error {
	return core.Unmarshal(ctx, b, m)
}
