package served

// This type has another name than the generator would give it, and methods of the value.

import (
	"context"
	"time"

	pb "github.com/iansmith/parigot/internal/gen/testdata/guest_grown/v1"
	rpc "github.com/iansmith/parigot/internal/gen/testdata/guest_grown/v1/grownv1parigot"
	"github.com/iansmith/parigot/pluginsdk/status"
	"google.golang.org/protobuf/types/known/timestamppb"
)

type clock struct{ now func() time.Time }

var _ rpc.ClockServer = clock{}

func (c clock) Now(context.Context, *pb.NowRequest) (*pb.NowResponse, error) {
	return &pb.NowResponse{Now: timestamppb.New(c.now())}, nil
}

// Alarm serves guest_grown.Clock.Alarm.
//
// Alarm rings at a time.
func (c clock) Alarm(ctx context.Context, req *timestamppb.Timestamp) (*pb.NowResponse, error) {
	return nil, status.Error(status.Unimplemented, rpc.Clock_Alarm_FullName+" is not implemented")
}
