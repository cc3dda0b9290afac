package core

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/instance"
	"github.com/iansmith/parigot/internal/metadata"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// Invoke calls a server in this process, as a guest would: through bytes, so that neither
// side sees the other's messages. A server that calls another passes on who calls, and what
// its own caller sent.
func Invoke(ctx context.Context, s Server, req, resp proto.Message) error {
	request, err := proto.Marshal(req)
	if err != nil {
		return status.Wrap(status.InvalidArgument, err, "encode the request")
	}
	inst := stateOf(ctx)
	local := &instance.State{
		ID: inst.ID, Name: inst.Name, Limits: inst.Limits, Logger: inst.Logger, Counters: inst.Counters, Grants: inst.Grants,
	}
	if m := metadata.Of(ctx); len(m) > 0 {
		local.Next = instance.Header{Call: &parigotpb.CallHeader{Metadata: m}, Received: time.Now()}
	}
	code, body := s.Bytes(instance.NewContext(ctx, local), request, nil)
	return Answer{Call: s.Method().FullName, Code: code, Body: body}.Into(resp, &inst.Limits, nil)
}
