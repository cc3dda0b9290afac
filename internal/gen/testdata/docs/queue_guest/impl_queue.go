package queue_guest

import (
	"context"

	queuev1 "github.com/iansmith/parigot/internal/gen/testdata/docs/queue/v1"
	"github.com/iansmith/parigot/internal/gen/testdata/docs/queue/v1/queuev1parigot"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// QueueImpl implements the service queue.v1.Queue.
//
// Queue keeps messages until somebody takes them.
type QueueImpl struct {
	queuev1parigot.UnimplementedQueueServer
}

var _ queuev1parigot.QueueServer = (*QueueImpl)(nil)

// Send serves queue.v1.Queue.Send.
//
// Send puts a message at the end of a queue.
func (i *QueueImpl) Send(ctx context.Context, req *queuev1.SendRequest) (*queuev1.SendResponse, error) {
	return nil, status.Error(status.Unimplemented, queuev1parigot.Queue_Send_FullName+" is not implemented")
}

// Receive serves queue.v1.Queue.Receive.
//
// Receive takes the first message, and waits when there is none.
func (i *QueueImpl) Receive(ctx context.Context, req *queuev1.ReceiveRequest) (*queuev1.ReceiveResponse, error) {
	return nil, status.Error(status.Unimplemented, queuev1parigot.Queue_Receive_FullName+" is not implemented")
}

// Length serves queue.v1.Queue.Length.
//
// Length counts the messages in a queue.
//
// Deprecated: the rpc queue.v1.Queue.Length is marked as deprecated in
// queue/v1/queue.proto.
func (i *QueueImpl) Length(ctx context.Context, req *queuev1.LengthRequest) (*queuev1.LengthResponse, error) {
	return nil, status.Error(status.Unimplemented, queuev1parigot.Queue_Length_FullName+" is not implemented")
}
