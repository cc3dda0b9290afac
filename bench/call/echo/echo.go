// Package echo is what the native processes of the benchmark serve by gRPC: on a socket
// of their own, or as a plugin of hashicorp/go-plugin.
package echo

import (
	"context"
	"runtime"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	plainv1 "github.com/iansmith/parigot/bench/call/gen/plain/v1"
	"github.com/iansmith/parigot/bench/call/work"
)

// Mallocs is the queue whose messages are answered with the number of allocations of the
// process, as the id.
const Mallocs = "mallocs"

// Server answers.
type Server struct {
	plainv1.UnimplementedPlainServer
}

// Send implements the service.
func (Server) Send(_ context.Context, req *plainv1.SendRequest) (*plainv1.SendResponse, error) {
	if req.GetQueue() == Mallocs {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return &plainv1.SendResponse{Id: m.Mallocs}, nil
	}
	return &plainv1.SendResponse{Id: work.NextID(), Payload: req.GetPayload(), Seq: req.GetSeq(), Tags: req.GetTags()}, nil
}

// MaxMessage is the largest message, in bytes.
const MaxMessage = 4 << 20

// Handshake and Plugins are what hashicorp/go-plugin has to know on both sides.
var (
	Handshake = plugin.HandshakeConfig{ProtocolVersion: 1, MagicCookieKey: "BENCH_CALL", MagicCookieValue: "echo"}
	Plugins   = plugin.PluginSet{"echo": new(Plugin)}
)

// Plugin is the service as a plugin.
type Plugin struct{ plugin.NetRPCUnsupportedPlugin }

// GRPCServer implements [plugin.GRPCPlugin].
func (*Plugin) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	plainv1.RegisterPlainServer(s, Server{})
	return nil
}

// GRPCClient implements [plugin.GRPCPlugin].
func (*Plugin) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, c *grpc.ClientConn) (any, error) {
	return plainv1.NewPlainClient(c), nil
}
