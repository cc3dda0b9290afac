package pluginsdk

import (
	"context"

	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/instance"
	"github.com/iansmith/parigot/internal/wirecost"
)

// Unmarshal is [proto.Unmarshal] for bytes that come from a guest, such as the value of an
// Any in a request: it bounds what decoding them takes before it decodes them, as is done
// for requests themselves. ctx is that of the call, or any other. The error is
// RESOURCE_EXHAUSTED if they take more than [eng.WithMaxDecoded] allows, or if messages are
// nested too deeply, and INVALID_ARGUMENT if they do not decode. m is unspecified then.
func Unmarshal(ctx context.Context, b []byte, m proto.Message) error {
	return maxDecoded(stateOf(ctx)).Unmarshal(b, m, "the message")
}

func maxDecoded(inst *instance.State) wirecost.Limit {
	return wirecost.Limit{Bytes: inst.Limits.MaxDecoded, Name: "max_decoded"}
}
